"""A part of the measuring."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from bench.backends import NONE, Backends
from bench.figures import Figure, Row
from bench.servers import Servers


@dataclass(frozen=True, slots=True)
class Target:
    """A proxy that runs: its process, its port on 127.0.0.1, its folder, what it is called, what it stands before.

    `servers`: the same, where the part kills them.
    """

    pid: int
    port: int
    folder: Path
    peer: str = ""
    backends: Backends = NONE
    servers: Servers | None = None


Measure = Callable[[Target, int], Mapping[Figure, float]]
NGINX = Row("nginx")
# No other part measures these peers.
_OF_ONE_PART = (
    *("haproxy-splice", "composectl-sticky", "composectl-hashed"),
    *(f"{peer}-{workers}" for peer in ("composectl", "nginx", "haproxy") for workers in (1, 2, 4)),
    *("composectl-capped", "composectl-queued"),
)


def to_nginx(_: Row) -> Row:
    """All are compared to nginx."""
    return NGINX


@dataclass(frozen=True, slots=True)
class Part:
    """`measure` takes so many seconds for one reading; `base` is the row that a row is compared to.

    `figures` are shown; `only` these peers (any, if empty) take part, and none of `without`, before each of
    `backends`; it takes `least` rounds at least, and `most` at most. `kills`: each backend is a process of its own.
    `behind`: starts so many backends of another kind, given a folder.
    """

    name: str
    title: str
    figures: tuple[Figure, ...]
    measure: Measure
    base: Callable[[Row], Row] = to_nginx
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    backends: tuple[int, ...] = (4,)
    least: int = 1
    most: int = 1000
    kills: bool = False
    behind: Callable[[int, Path], AbstractContextManager[Backends]] | None = None

    def rounds(self, asked: int) -> int:
        """How many are made where so many are asked for."""
        return min(max(asked, self.least), self.most)

    def rows(self, peers: Sequence[str]) -> list[Row]:
        """Which of `peers` are measured, before how many backends."""
        wanted = self.only or [name for name in peers if name not in (*self.without, *_OF_ONE_PART)]
        names = [name for name in peers if name in wanted]
        return [Row(name, count) for name in names for count in self.backends]
