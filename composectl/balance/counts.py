"""What the leases of one process have counted since they were asked last, for the process that has the sums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from composectl.balance.backend import Backend, Counters
from composectl.balance.lease import Leases
from composectl.balance.phase import Phase

_COUNTED: Final = (
    *("requests", "in_flight", "failed", "retried"),
    *("connections", "connections_total", "bytes_received", "bytes_sent"),
)


@dataclass(frozen=True, slots=True)
class BackendCounts:
    """Differences: `numbers` by the names of `Counters`, `responses` by class, `latencies` by their places."""

    numbers: Mapping[str, int]
    responses: tuple[int, ...] = (0,) * 6
    latencies: Mapping[int, int] = field(default_factory=dict)
    microseconds: int = 0

    def add_to(self, counters: Counters) -> None:
        for name, difference in self.numbers.items():
            setattr(counters, name, getattr(counters, name) + difference)
        counters.responses = [mine + more for mine, more in zip(counters.responses, self.responses, strict=True)]
        counters.latency.add(self.latencies, self.microseconds)


@dataclass(frozen=True, slots=True)
class LeaseCounts:
    """Differences: of `Leases.totals`, of the causes by reason, and of each backend that has any, by its ref.

    `draining`: the backends that get no request of this process any more, and are to leave.
    """

    totals: tuple[int, ...]
    bad_requests: Mapping[str, int]
    failed_for: Mapping[str, int]
    retried_for: Mapping[str, int]
    backends: Mapping[int, BackendCounts]
    draining: frozenset[int] = frozenset()
    sessions_moved: int = 0

    @property
    def has_any(self) -> bool:
        """Whether something was counted."""
        return bool(self.backends or self.bad_requests or self.sessions_moved or any(self.totals))


class CountsReader:
    """Takes the differences of these leases, again and again; `refs` has what all backends are called."""

    def __init__(self, leases: Leases, refs: Mapping[Backend, int]) -> None:
        self._leases = leases
        self._refs = refs
        self._totals = leases.totals
        self._causes = [Counter[str](), Counter[str](), Counter[str]()]
        self._moved = 0
        self._before: dict[Backend, Counters] = {}

    def take(self) -> LeaseCounts:
        """What was counted since the last call."""
        leases = self._leases
        before, self._totals = self._totals, leases.totals
        causes, self._causes = (
            self._causes,
            list(map(Counter, (leases.bad_requests, leases.failed_for, leases.retried_for))),
        )
        bad_requests, failed_for, retried_for = (
            dict(now - then) for now, then in zip(self._causes, causes, strict=True)
        )
        moved, self._moved = self._moved, leases.sessions.moved if leases.sessions is not None else 0
        present = leases.backends
        counts = {ref: found for backend, ref in self._refs.items() if (found := self._difference(backend))}
        for backend in self._before.keys() - set(present):
            del self._before[backend]
        return LeaseCounts(
            tuple(now - then for now, then in zip(self._totals, before, strict=True)),
            bad_requests,
            failed_for,
            retried_for,
            counts,
            frozenset(self._refs[backend] for backend in present if backend.phase is Phase.DRAINING),
            self._moved - moved,
        )

    # Private

    def _difference(self, backend: Backend) -> BackendCounts | None:
        before = self._before.get(backend)
        if before is None:
            before = self._before[backend] = Counters()
        numbers = {
            name: difference for name in _COUNTED if (difference := getattr(backend, name) - getattr(before, name))
        }
        if not numbers and backend.responses == before.responses:
            return None
        responses = tuple(now - then for now, then in zip(backend.responses, before.responses, strict=True))
        found = BackendCounts(
            numbers,
            responses,
            backend.latency.since(before.latency.counts),
            backend.latency.total - before.latency.total,
        )
        found.add_to(before)
        return found
