"""The last minutes, second by second, so that a page which is opened shows them at once: pure."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
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
    milliseconds of the last few seconds (None without responses), and for each backend a row, as `_Service` makes it.
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
            services[pool.service] = service = _Service()
            for backend in pool.backends:
                past = self._pasts[backend] = pasts.get(backend) or _Past()
                service.add(backend, past)
                yield
        self._number += 1
        frames = {name: service.frame() for name, service in services.items()}
        frame = {"number": self._number, "at": at, "services": frames}
        self._frames.append(json.dumps(frame, separators=(",", ":")).encode())

    def whole(self) -> bytes:
        """Every frame, oldest first, as one JSON list."""
        return _joined(self._frames)

    def recent(self) -> bytes:
        """The last ten frames at most, as `whole` has them, for a page that has the others."""
        return _joined(islice(self._frames, max(0, len(self._frames) - RECENT), None))


# Private


class _Service:
    """The part of one service in a frame."""

    def __init__(self) -> None:
        self._rows: list[list[Any]] = []
        self._latency = Latency()

    def add(self, backend: Backend, past: _Past) -> None:
        requests, errors = past.step(backend)
        past.add_to(self._latency)
        p50, p95 = past.percentiles
        replica = backend.replica
        self._rows.append([replica.id[:12], replica.number, requests, errors, p50, p95, backend.phase])

    def frame(self) -> dict[str, Any]:
        p50, p95 = self._latency.percentiles(50, 95)
        return {"p50": p50, "p95": p95, "backends": self._rows}


class _Past:
    """The counters of one backend as they were, and its latencies of the last few seconds."""

    def __init__(self) -> None:
        self._requests = self._errors = 0
        self._latency = Latency()
        self._counts: deque[list[int]] = deque([self._latency.counts], maxlen=_WINDOW + 1)
        self.percentiles: list[float | None] = [None, None]

    def step(self, backend: Backend) -> tuple[int, int]:
        """What came since the last step: requests and errors."""
        requests, errors = backend.requests - self._requests, _errors(backend) - self._errors
        self._requests, self._errors = backend.requests, _errors(backend)
        self._counts.append(backend.latency.counts.copy())
        self._update_percentiles()
        return requests, errors

    def add_to(self, latency: Latency) -> None:
        """Add the responses of the last few seconds."""
        if self.percentiles[0] is not None:
            latency.counts = list(map(add, latency.counts, self._latency.counts))

    # Private

    def _update_percentiles(self) -> None:
        newest, oldest = self._counts[-1], self._counts[0]
        if newest == oldest:
            self.percentiles = [None, None]
        else:
            self._latency.counts = list(map(sub, newest, oldest))
            self.percentiles = self._latency.percentiles(50, 95)


def _errors(backend: Backend) -> int:
    """The requests that failed, and those answered with a 5xx."""
    return backend.failed + backend.responses[5]


def _joined(frames: Iterable[bytes]) -> bytes:
    return b"[" + b",".join(frames) + b"]"
