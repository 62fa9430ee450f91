"""A Compose that is installed: how it is called, and which version it says it is."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

_VERSION = re.compile(r"v?(\d+(?:\.\d+)+)\S*")

# From 1.45 on the engine tells nothing of the `ContainerConfig` that docker-compose 1 needs to make a container anew.
_NEWEST_FOR_V1 = (1, 44)


@dataclass(frozen=True, slots=True)
class Compose:
    """`command` is the argv that it is called with, `version` the numbers that it tells: (2, 40, 3)."""

    command: tuple[str, ...]
    version: tuple[int, ...]

    def __str__(self) -> str:
        return shlex.join(self.command)

    @property
    def major(self) -> int:
        return self.version[0]

    @property
    def is_v1(self) -> bool:
        return self.major == 1


def parse_version(answer: str) -> tuple[int, ...] | None:
    """The numbers in what `version --short` printed: `2.24.6-desktop.1` is (2, 24, 6); None for anything else."""
    match = _VERSION.fullmatch(answer.strip())
    return tuple(map(int, match[1].split("."))) if match else None


def api_variables(compose: Compose, newest: str) -> dict[str, str]:
    """The environment in which `compose` speaks an API that it understands to an engine whose newest one is this."""
    if not compose.is_v1 or (parse_version(newest) or ()) <= _NEWEST_FOR_V1:
        return {}
    return {"COMPOSE_API_VERSION": ".".join(map(str, _NEWEST_FOR_V1))}
