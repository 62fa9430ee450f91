"""composectl: with its live table drawn on a terminal, without it, logging, watched, and with nothing compiled."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from bench.cores import LOAD_CORE, PROXY_CORE, aside
from bench.peers.peer import Peer, Place
from bench.process import started
from bench.terminal import terminal

Options = Callable[[Path], Sequence[str]]

NAME = "bench"
_CLIENTS = 12_000  # so many are let in, where the open files allow it: most of them are idle
_HERE = Path(__file__).parents[2]
INSTALLED = _HERE / ".tools" / "compiled"  # made by scripts/compiled


def _none(_: Path) -> Sequence[str]:
    return ()


def _logging(folder: Path) -> Sequence[str]:
    return ("--access-log", str(folder / "access.log"), "--access-log-format", "json")


def _watched(folder: Path) -> Sequence[str]:
    return (*_logging(folder), "--metrics", "0", "--dashboard", "0")


def _sticky(_: Path) -> Sequence[str]:
    return ("--sticky",)


def _hashed(_: Path) -> Sequence[str]:
    return ("--sticky", "cookie:visit")


def _capped(_: Path) -> Sequence[str]:
    return ("--max-in-flight", "32")


def _queued(_: Path) -> Sequence[str]:
    return ("--max-in-flight", "8")


def composectl(
    name: str, *, table: bool = True, options: Options = _none, home: Path = INSTALLED, measured: bool = True
) -> Peer:
    """The proxy as it is in the folder `home`; `options`: those it has besides, given its own folder.

    One that is not `measured` leaves the core of the proxies alone, and that of the load where it can.
    """
    return Peer(name, _starter(home, table, options, measured), (sys.executable, "-P", "-m", "composectl", "--version"))


# Private


def _allows_clients() -> bool:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return hard == resource.RLIM_INFINITY or hard > _CLIENTS * 5 // 4


def _tls(pem: Path | None) -> Sequence[str]:
    return () if pem is None else ("--tls-cert", str(pem), "--tls-key", str(pem))


def _starter(
    home: Path, table: bool, options: Options, measured: bool
) -> Callable[[Place], AbstractContextManager[int]]:
    @contextmanager
    def start(place: Place) -> Iterator[int]:
        command = [
            *(sys.executable, "-P", "-m", "composectl", "proxy", "--name", NAME, "--listen", f"127.0.0.1:{place.port}"),
            *(word for address in place.backends.addresses for word in ("--backend", address)),
            *(("--max-connections", str(_CLIENTS)) if _allows_clients() else ()),
            *(("--protocol", "tcp") if place.backends.tcp and not place.backends.upgraded else ()),
            *_tls(place.backends.certificate),
            *options(place.folder),
        ]
        environment = {"PYTHONPATH": str(home), "TERM": "xterm-256color"}
        environment |= dict.fromkeys(("XDG_RUNTIME_DIR", "XDG_STATE_HOME"), str(place.folder))
        out = place.folder / "out"
        with (
            terminal() as drawn,
            started(
                command if measured else aside(command),
                core=PROXY_CORE if measured else LOAD_CORE,
                port=place.port,
                log=out,
                environment=environment,
                terminal=drawn if table else None,
            ) as pid,
        ):
            yield pid

    return start


def _of_workers(count: int) -> Peer:
    return composectl(f"composectl-{count}", table=False, options=lambda _: ("--workers", str(count)))


COMPOSECTL = composectl("composectl")
INTERPRETED = composectl("composectl-interpreted", home=_HERE)
WITHOUT_TABLE = composectl("composectl-quiet", table=False)
LOGGING = composectl("composectl-logging", options=_logging)
WATCHED = composectl("composectl-watched", options=_watched)
STICKY = composectl("composectl-sticky", options=_sticky)
HASHED = composectl("composectl-hashed", options=_hashed)
WORKERS = tuple(map(_of_workers, (1, 2, 4)))
CAPPED = composectl("composectl-capped", options=_capped)
QUEUED = composectl("composectl-queued", options=_queued)
BYSTANDER = composectl("composectl-bystander", options=_watched, measured=False)
