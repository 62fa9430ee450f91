"""Finding Compose: the one that is named, else the newest that is installed."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from composectl import errors
from composectl.compose.run import ask
from composectl.compose.version import Compose, parse_version

__all__ = ["Compose", "find_compose", "look_for_compose", "newest"]

# The plugin first: it wins where both tell the same version.
_USUAL = (("docker", "compose"), ("docker-compose",))

_PATIENCE = 10.0  # seconds


def find_compose(environ: Mapping[str, str]) -> Compose:
    """The Compose that COMPOSECTL_COMPOSE names, else the newest of `docker compose` and `docker-compose`.

    Raises `no_compose` where there is none, `not_a_compose` where the named one tells no version.
    """
    return newest(look_for_compose(environ), environ)


def look_for_compose(environ: Mapping[str, str]) -> dict[str, Compose | None]:
    """Each command that may be a Compose, and the Compose that it is, if it is one. Raises `not_a_compose`."""
    named = environ.get("COMPOSECTL_COMPOSE", "")
    commands = (_split(named),) if named else _USUAL
    found = {compose.command: compose for compose in _asked(commands, environ)}
    return {shlex.join(command): found.get(command) for command in commands}


def newest(candidates: Mapping[str, Compose | None], environ: Mapping[str, str]) -> Compose:
    """The newest of them, the first where several are. Raises `no_compose` and `not_a_compose` where there is none."""
    found = [compose for compose in candidates.values() if compose]
    if not found:
        named = environ.get("COMPOSECTL_COMPOSE", "")
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
