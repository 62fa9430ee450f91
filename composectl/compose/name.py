"""The project's name, as Compose decides it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from composectl import errors
from composectl.compose.options import Options, project_directory_of, settings
from composectl.compose.project import Project

_DROPPED_BY_V1 = re.compile(r"[^-_a-z0-9]")


def project_name(project: Project, options: Options, environ: Mapping[str, str], cwd: Path) -> str:
    """The name that `config` told, else the one that docker-compose 1.29 makes up without telling.

    That is `-p`, else COMPOSE_PROJECT_NAME, else the project's directory; lower-case, and without most characters.
    Raises `no_project_name` where no character is left.
    """
    if project.name:
        return project.name
    named = options.project_name or settings(options, environ, cwd).get("COMPOSE_PROJECT_NAME")
    called = named or project_directory_of(options, environ, cwd).name or "default"
    name = _normalised(called)
    if not name:
        raise errors.no_project_name(called)
    return name


# Private


def _normalised(name: str) -> str:
    return _DROPPED_BY_V1.sub("", name.lower())
