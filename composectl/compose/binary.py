"""Finding Compose: the one that is named, else the newest that is installed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL

from composectl import errors

# The plugin first: it wins where both tell the same version.
_USUAL = (("docker", "compose"), ("docker-compose",))
_TIMEOUT = 60.0  # seconds: a busy machine takes its time, and no Compose is the wrong answer
_VERSION = re.compile(r"v?(\d+(?:\.\d+)+)\S*")
# From 1.45 on the engine tells nothing of the `ContainerConfig` that docker-compose 1 needs to make a container anew.
_NEWEST_FOR_V1 = (1, 44)


def ask(commands: Sequence[Sequence[str]], environ: Mapping[str, str], seconds: float) -> list[str]:
    """What each of `commands` prints, all asked at once; empty where it fails or takes longer than `seconds`."""

    def answer(command: Sequence[str]) -> str:
        try:
            done = subprocess.run(command, stdin=DEVNULL, capture_output=True, env=environ, timeout=seconds, check=True)
        except (OSError, subprocess.SubprocessError):
            return ""
        return done.stdout.decode(errors="replace")

    with ThreadPoolExecutor(len(commands)) as threads:
        return list(threads.map(answer, commands))


def find_compose(environ: Mapping[str, str]) -> Compose:
    """The Compose that COMPOSECTL_COMPOSE names, else the newest that is installed. Raises ComposectlError."""
    return newest(look_for_compose(environ), environ)


def look_for_compose(environ: Mapping[str, str]) -> dict[str, Compose | None]:
    """Each command that may be a Compose, and the Compose that it is, if it is one. Raises `not_a_compose`."""
    named = environ.get("COMPOSECTL_COMPOSE", "")
    commands = (_split(named),) if named else _USUAL
    answers = ask([(*command, "version", "--short") for command in commands], environ, _TIMEOUT)
    versions = zip(commands, map(parse_version, answers), strict=True)
    return {shlex.join(command): Compose(command, version) if version else None for command, version in versions}


def newest(candidates: Mapping[str, Compose | None], environ: Mapping[str, str]) -> Compose:
    """The newest of them, the first where several are. Raises ComposectlError where there is none."""
    found = [compose for compose in candidates.values() if compose]
    if found:
        return max(found, key=lambda compose: compose.version)
    if named := environ.get("COMPOSECTL_COMPOSE"):
        raise errors.not_a_compose(named)
    raise errors.ComposectlError(
        "neither `docker compose` nor `docker-compose` is installed",
        "install Docker's Compose plugin, or name a Compose in COMPOSECTL_COMPOSE",
    )


@dataclass(frozen=True, slots=True)
class Compose:
    """`command` is the argv that it is called with, `version` the numbers that it tells: (2, 40, 3)."""

    command: tuple[str, ...]
    version: tuple[int, ...]

    def __str__(self) -> str:
        return shlex.join(self.command)

    @property
    def is_v1(self) -> bool:
        return self.version[0] == 1


def parse_version(answer: str) -> tuple[int, ...] | None:
    """The numbers in what `version --short` printed: `2.24.6-desktop.1` is (2, 24, 6); None for anything else."""
    match = _VERSION.fullmatch(answer.strip())
    return tuple(map(int, match[1].split("."))) if match else None


def api_variables(compose: Compose, newest: str) -> dict[str, str]:
    """The environment in which `compose` speaks an API that it understands to an engine whose newest one is this."""
    if not compose.is_v1 or (parse_version(newest) or ()) <= _NEWEST_FOR_V1:
        return {}
    return {"COMPOSE_API_VERSION": ".".join(map(str, _NEWEST_FOR_V1))}


# Private


def _split(named: str) -> tuple[str, ...]:
    # A name without a slash is looked for in PATH alone: a file of the current folder may come from elsewhere.
    if "/" in named and Path(named).exists():
        return (os.path.abspath(named),)
    try:
        program, *words = shlex.split(named)
        return (os.path.abspath(program) if "/" in program else program, *words)
    except ValueError as error:
        raise errors.not_a_compose(named) from error
