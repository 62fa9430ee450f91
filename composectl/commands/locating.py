"""Which running composectl is meant."""

from __future__ import annotations

from composectl.commands.invocation import Invocation
from composectl.compose.options import project_directory_of
from composectl.control.client import Client, find
from composectl.control.folder import runtime_folder


def find_running(invocation: Invocation) -> Client:
    """The composectl of the project that is named, else of the project's directory. Raises ComposectlError."""
    options, environ = invocation.options, invocation.environ
    project = options.project_name or environ.get("COMPOSE_PROJECT_NAME", "")
    return find(runtime_folder(environ), project, project_directory_of(options, environ, invocation.cwd))
