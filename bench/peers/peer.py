"""A proxy that can be started."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from bench.backends import Backends


@dataclass(frozen=True, slots=True)
class Place:
    """Where a proxy is to listen (on 127.0.0.1), what it stands before, and a folder of its own."""

    port: int
    backends: Backends
    folder: Path


@dataclass(frozen=True, slots=True)
class Peer:
    """`start` gives the id of the process that does the work; `version` is a command that prints what it is."""

    name: str
    start: Callable[[Place], AbstractContextManager[int]]
    version: tuple[str, ...]
