"""The last minutes, second by second, so that a page which is opened shows them at once: pure."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator
from operator import add, sub
from typing import Any

from composectl.balance.backend import Backend
from composectl.balance.pool import Pool
from composectl.balance.stats import Latency

SECONDS = 300
RECENT = 10
_WINDOW = 5  # seconds whose responses tell the latency of one of them


class History:
    """One frame a second, of the last five minutes; a frame is kept as the JSON that pages get.

    A frame has its number, the moment it was taken, and by service what came in that second: p50 and p95 in
    milliseconds of the last few seconds (None without responses), and for each backend a row, as `_Past.step` makes it.
    """

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque(maxlen=SECONDS)
        self._number = 0
        self._pasts: dict[Backend, _Past] = {}

    def sampling(self, pools: Iterable[Pool], at: float) -> Iterator[None]:
        """Take one frame in short steps, all of which are to be taken; once a second, `at` in epoch seconds."""
        pasts, self._pasts = self._pasts, {}
        services = {}
        for pool in pools:
            rows, latency = [], Latency()
            for backend in pool.backends:
                past = self._pasts[backend] = pasts.get(backend) or _Past()
                rows.append(past.step(backend, latency))
                yield
            p50, p95 = latency.percentiles(50, 95)
            services[pool.service] = {"p50": p50, "p95": p95, "backends": rows}
        self._number += 1
        frame = {"number": self._number, "at": at, "services": services}
        self._frames.append(json.dumps(frame, separators=(",", ":")).encode())

    def whole(self) -> bytes:
        """Every frame, oldest first, as one JSON list."""
        return _joined(self._frames)

    def recent(self) -> bytes:
        """The last ten frames at most, as `whole` has them, for a page that has the others."""
        return _joined(list(self._frames)[-RECENT:])


# Private


class _Past:
    """The counters of one backend as they were, and its latencies of the last few seconds."""

    def __init__(self) -> None:
        self._requests = self._errors = 0
        self._counts: deque[list[int]] = deque([Latency().counts], maxlen=_WINDOW + 1)

    def step(self, backend: Backend, latency: Latency) -> list[Any]:
        """The row of what came since the last step; the responses of the last few seconds are added to `latency`."""
        requests = max(backend.requests, backend.connections_total)  # one of the two stays 0, or is the smaller part
        errors = backend.failed + backend.responses[5]
        came, failed = requests - self._requests, errors - self._errors
        self._requests, self._errors = requests, errors
        self._counts.append(backend.latency.counts.copy())
        percentiles: list[float | None] = [None, None]
        newest, oldest = self._counts[-1], self._counts[0]
        if newest != oldest:
            recent = Latency()
            recent.counts = list(map(sub, newest, oldest))
            percentiles = recent.percentiles(50, 95)
            latency.counts = list(map(add, latency.counts, recent.counts))
        replica = backend.replica
        return [replica.id[:12], replica.number, came, failed, *percentiles, backend.phase]


def _joined(frames: Iterable[bytes]) -> bytes:
    return b"[" + b",".join(frames) + b"]"
