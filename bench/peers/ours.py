"""composectl: with its live table drawn on a terminal, and without it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from bench.cores import PROXY_CORE
from bench.peers.peer import Peer, Place
from bench.process import started
from bench.terminal import terminal

_HERE = Path(__file__).parents[2]


def composectl(name: str, *, table: bool, home: Path = _HERE) -> Peer:
    """The proxy as it is in the working copy at `home`."""
    return Peer(name, _starter(home, table), (sys.executable, "-m", "composectl", "--version"))


# Private


def _starter(home: Path, table: bool) -> Callable[[Place], AbstractContextManager[int]]:
    @contextmanager
    def start(place: Place) -> Iterator[int]:
        backends = place.backends
        command = [
            *(sys.executable, str(home / "bench" / "serve.py")),
            *(str(place.port), str(backends.count), str(backends.port)),
        ]
        environment = {"PYTHONPATH": str(home), "TERM": "xterm-256color"}
        log = place.folder / "out"
        with (
            terminal() as drawn,
            started(
                [*command, "table"] if table else command,
                core=PROXY_CORE,
                port=place.port,
                log=log,
                environment=environment,
                terminal=drawn if table else None,
            ) as pid,
        ):
            yield pid

    return start


COMPOSECTL = composectl("composectl", table=True)
WITHOUT_TABLE = composectl("composectl-quiet", table=False)
