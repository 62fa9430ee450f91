"""The rounds: every proxy in turn, the others stopped meanwhile, and the way back in every other round."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

from bench import h2load, messages
from bench.backends import Backends
from bench.figures import Row, Samples
from bench.parts.part import Part, Target
from bench.peers.peer import Peer, Place
from bench.ports import free_ports
from bench.servers import Servers
from bench.wrk import Load, put

_SETTLE_SECONDS = 0.2


def measure(
    part: Part, peers: Mapping[str, Peer], backends: Backends, folder: Path, rounds: int, seconds: int
) -> Samples:
    """All rounds of one part."""
    samples = Samples()
    rows = part.rows(tuple(peers))
    with (
        _behind(part, backends, folder) as (behind, servers),
        _all_started(rows, peers, behind, folder, servers) as targets,
    ):
        for number in range(part.rounds(rounds)):
            for row in rows if number % 2 == 0 else rows[::-1]:
                with _awake(targets[row]):
                    samples.add(row, part.measure(targets[row], seconds))
    return samples


# Private


@contextmanager
def _behind(part: Part, backends: Backends, folder: Path) -> Iterator[tuple[Backends, Servers | None]]:
    """What the proxies stand before: `backends`, or servers for this part alone; and those that it may kill."""
    if part.kills:
        with Servers(max(part.backends), Path(mkdtemp(dir=folder))) as servers:
            yield servers.backends, servers
    elif part.behind is not None:
        with part.behind(max(part.backends), Path(mkdtemp(dir=folder))) as others:
            yield others, None
    else:
        yield backends, None


@contextmanager
def _all_started(
    rows: list[Row], peers: Mapping[str, Peer], backends: Backends, folder: Path, servers: Servers | None
) -> Iterator[dict[Row, Target]]:
    with ExitStack() as stack:
        targets = {}
        for row, port in zip(rows, free_ports(len(rows)), strict=True):
            target = stack.enter_context(_started(peers[row.peer], backends.first(row.backends), port, folder))
            targets[row] = replace(target, servers=servers)
            _warm_up(target)
            os.kill(targets[row].pid, signal.SIGSTOP)
        yield targets


def _warm_up(target: Target) -> None:
    if target.backends.holds:
        return
    if target.backends.grpc:
        h2load.call(target.port, 1)
    elif target.backends.tcp:
        messages.exchange(target.port, target.backends.tcp, 1, 1, upgraded=target.backends.upgraded)
    else:
        put(Load(scheme="https" if target.backends.certificate else "http"), target.port, 1)


@contextmanager
def _started(peer: Peer, backends: Backends, port: int, folder: Path) -> Iterator[Target]:
    place = Place(port, backends, Path(mkdtemp(dir=folder)))
    with peer.start(place) as pid:
        try:
            yield Target(pid, port, place.folder, peer.name, backends)
        finally:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def _awake(target: Target) -> Iterator[None]:
    """A proxy that draws, or collects its garbage, would disturb the others: only one is not stopped."""
    os.kill(target.pid, signal.SIGCONT)
    time.sleep(_SETTLE_SECONDS)
    try:
        yield
    finally:
        os.kill(target.pid, signal.SIGSTOP)
