"""The last minutes, second by second, so that a page which is opened shows them at once: pure."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from itertools import islice
from operator import add, sub
from typing import Any

from composectl.balance.backend import Backend
from composectl.balance.latency import Latency
from composectl.balance.pool import Pool

SECONDS = 300
RECENT = 10
_WINDOW = 5  # seconds whose responses tell the latency of one of them


class History:
    """One frame a second, of the last five minutes; a frame is kept as the JSON that pages get.

    A frame has its number, the moment it was taken, and by service what came in that second: p50 and p95 in
    milliseconds of the last few seconds (None without responses), and for each backend a row, as `_row` makes it.
    """

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque(maxlen=SECONDS)
        self._number = 0
        self._pasts: dict[Backend, _Past] = {}

    def sample(self, pools: Iterable[Pool], at: float) -> None:
        """Take one frame; to be called once a second, `at` in epoch seconds."""
        pasts, self._pasts = self._pasts, {}
        services = {pool.service: self._service(pool, pasts) for pool in pools}
        self._number += 1
        frame = {"number": self._number, "at": at, "services": services}
        self._frames.append(json.dumps(frame, separators=(",", ":")).encode())

    def whole(self) -> bytes:
        """Every frame, oldest first, as one JSON list."""
        return _joined(self._frames)

    def recent(self) -> bytes:
        """The last ten frames at most, as `whole` has them: for who has the others."""
        return _joined(islice(self._frames, max(0, len(self._frames) - RECENT), None))

    # Private

    def _service(self, pool: Pool, pasts: dict[Backend, _Past]) -> dict[str, Any]:
        rows = [self._row(backend, pasts) for backend in pool.backends]
        latency = Latency()
        for backend in pool.backends:
            self._pasts[backend].add_to(latency)
        p50, p95 = latency.percentiles(50, 95)
        return {"p50": p50, "p95": p95, "backends": rows}

    def _row(self, backend: Backend, pasts: dict[Backend, _Past]) -> list[Any]:
        past = self._pasts[backend] = pasts.get(backend) or _Past()
        requests, errors = past.step(backend)
        p50, p95 = past.percentiles
        return [backend.replica.id[:12], backend.replica.number, requests, errors, p50, p95, backend.phase]


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
        self._reckon()
        return requests, errors

    def add_to(self, latency: Latency) -> None:
        """Add what is known of the last few seconds."""
        if self.percentiles[0] is not None:
            latency.counts = list(map(add, latency.counts, self._latency.counts))

    # Private

    def _reckon(self) -> None:
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
