"""composectl: with its live table drawn on a terminal, without it, watched, and with nothing compiled."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from bench.cores import PROXY_CORE
from bench.peers.peer import Peer, Place
from bench.process import started
from bench.terminal import terminal
from bench.watchers import everything

NAME = "bench"
_CLIENTS = 12_000  # so many are let in, where the open files allow it: most of them are idle
_HERE = Path(__file__).parents[2]
INSTALLED = _HERE / ".tools" / "compiled"  # made by scripts/compiled


def composectl(name: str, *, table: bool = True, watched: bool = False, home: Path = INSTALLED) -> Peer:
    """The proxy as it is in the folder `home`; `watched`: with all options by which it can be."""
    return Peer(name, _starter(home, table, watched), (sys.executable, "-P", "-m", "composectl", "--version"))


# Private


def _allows_clients() -> bool:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return hard == resource.RLIM_INFINITY or hard > _CLIENTS * 5 // 4


def _starter(home: Path, table: bool, watched: bool) -> Callable[[Place], AbstractContextManager[int]]:
    @contextmanager
    def start(place: Place) -> Iterator[int]:
        command = [
            *(sys.executable, "-P", "-m", "composectl", "proxy", "--name", NAME, "--listen", f"127.0.0.1:{place.port}"),
            *(word for address in place.backends.addresses for word in ("--backend", address)),
            *(("--max-connections", str(_CLIENTS)) if _allows_clients() else ()),
            *(everything(home, place.folder) if watched else ()),
        ]
        environment = {"PYTHONPATH": str(home), "XDG_RUNTIME_DIR": str(place.folder), "TERM": "xterm-256color"}
        log = place.folder / "out"
        with (
            terminal() as drawn,
            started(
                command,
                core=PROXY_CORE,
                port=place.port,
                log=log,
                environment=environment,
                terminal=drawn if table else None,
            ) as pid,
        ):
            yield pid

    return start


COMPOSECTL = composectl("composectl")
INTERPRETED = composectl("composectl-interpreted", home=_HERE)
WATCHED = composectl("composectl-watched", watched=True)
WITHOUT_TABLE = composectl("composectl-quiet", table=False)
