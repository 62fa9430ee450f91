"""Which running composectl is meant."""

from __future__ import annotations

from pathlib import Path

from composectl import errors
from composectl.commands.invocation import Invocation
from composectl.compose.options import known_directory_of
from composectl.control.client import Client, find, find_proxy
from composectl.control.folder import runtime_folder


def find_running(invocation: Invocation) -> Client:
    """The composectl of the project or proxy that is named, else of the project's directory.

    Where there is no project at all, it is the only proxy. Raises ComposectlError.
    """
    folder = runtime_folder(invocation.environ)
    name, directory = meant(invocation)
    try:
        return find(folder, name, directory or invocation.cwd)
    except errors.NothingRuns:
        if name or directory:
            raise
        return find_proxy(folder)


def meant(invocation: Invocation) -> tuple[str, Path | None]:
    """The name that is said, if any is, and the project's directory, if there is one."""
    options, environ, cwd = invocation.options, invocation.environ, invocation.cwd
    name = options.project_name or environ.get("COMPOSE_PROJECT_NAME", "")
    return name, known_directory_of(options, environ, cwd)
