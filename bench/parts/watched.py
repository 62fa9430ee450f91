"""What watching costs the clients: the latency at a fixed rate, with all that can be on, and bare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.backends import Backends
from bench.figures import Figure, Row
from bench.parts import latency
from bench.parts.part import Part, Target
from bench.peers.ours import BYSTANDER, INSTALLED, NAME
from bench.peers.peer import Place
from bench.ports import free_ports
from bench.watchers import watching

WATCHED = Row("composectl-watched")


# Private


def _measure(target: Target, seconds: int) -> Mapping[Figure, float]:
    with ExitStack() as stack:
        is_watched = target.peer == WATCHED.peer
        folder = target.folder if is_watched else stack.enter_context(_bystander(target.backends))
        stack.enter_context(watching(INSTALLED, NAME, folder))
        return latency.measure(target, seconds)


@contextmanager
def _bystander(backends: Backends) -> Iterator[Path]:
    """The folder of a composectl that gets no requests.

    The watchers take time from the load, which shares their core. They watch this composectl while the bare one is
    measured, so that they take as much then.
    """
    with TemporaryDirectory() as folder:
        (port,) = free_ports(1)
        with BYSTANDER.start(Place(port, backends, Path(folder))):
            yield Path(folder)


PART = Part(
    "watched",
    f"Watched: a 24-byte answer, {latency.PER_SECOND:,} requests/s",
    (latency.P99, latency.P50),
    _measure,
    base=latency.to_bare,
    only=(latency.BARE.peer, WATCHED.peer),
    least=latency.ROUNDS,
)
