"""Finding Compose: the one that is named, else the newest that is installed."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from composectl import errors
from composectl.compose.run import ask
from composectl.compose.version import Compose, parse_version

__all__ = ["Compose", "find_compose"]

# The plugin first: it wins where both tell the same version.
_USUAL = (("docker", "compose"), ("docker-compose",))

_PATIENCE = 10.0  # seconds


def find_compose(environ: Mapping[str, str]) -> Compose:
    """The Compose that COMPOSECTL_COMPOSE names, else the newest of `docker compose` and `docker-compose`.

    Raises `no_compose` where there is none, `not_a_compose` where the named one tells no version.
    """
    named = environ.get("COMPOSECTL_COMPOSE", "")
    found = _asked((_split(named),) if named else _USUAL, environ)
    if not found:
        raise errors.not_a_compose(named) if named else errors.no_compose()
    return max(found, key=lambda compose: compose.version)


# Private


def _asked(commands: tuple[tuple[str, ...], ...], environ: Mapping[str, str]) -> list[Compose]:
    """Those of `commands` that tell a Compose version, in the same order."""
    answers = ask([(*command, "version", "--short") for command in commands], environ, _PATIENCE)
    versions = map(parse_version, answers)
    return [Compose(command, version) for command, version in zip(commands, versions, strict=True) if version]


def _split(named: str) -> tuple[str, ...]:
    if Path(named).exists():
        return (named,)
    try:
        return tuple(shlex.split(named))
    except ValueError as error:
        raise errors.not_a_compose(named) from error
