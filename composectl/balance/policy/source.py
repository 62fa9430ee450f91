"""The same backend for the same client."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator
from hashlib import blake2b

from composectl.balance.backend import Backend
from composectl.balance.policy.policy import Avoid

_DIGESTS = 16  # per backend, of eight points each: shares differ by a tenth or so


class Source:
    """A ring of points, each some backend's; a client belongs to the first point behind its own.

    A client moves only if its backend went, or if a nearer one came. O(log n); after a change of the ready backends,
    O(n log n) once. The points depend on the name: a restarted or recreated replica gets its clients back.
    """

    def __init__(self) -> None:
        self._owners: dict[int, Backend] = {}
        self._ring: list[int] = []  # empty when it is to be sorted anew

    def add(self, backend: Backend) -> None:
        for point in _points(backend.replica.name):
            while point in self._owners:
                point += 1
            self._owners[point] = backend
        self._ring = []

    def remove(self, backend: Backend) -> None:
        self._owners = {point: owner for point, owner in self._owners.items() if owner is not backend}
        self._ring = []

    def acquire(self, avoid: Avoid = (), key: str = "") -> Backend | None:
        if not self._ring:
            self._ring = sorted(self._owners)
        start = bisect(self._ring, _point(key))
        return next((owner for owner in self._owners_from(start) if owner not in avoid), None)

    def take(self, backend: Backend) -> None:
        pass

    def release(self, backend: Backend) -> None:
        pass

    # Private

    def _owners_from(self, start: int) -> Iterator[Backend]:
        size = len(self._ring)
        return (self._owners[self._ring[at % size]] for at in range(start, start + size))


def _points(name: str) -> Iterator[int]:
    for number in range(_DIGESTS):
        digest = blake2b(f"{name} {number}".encode()).digest()
        yield from (int.from_bytes(digest[at : at + 8]) for at in range(0, len(digest), 8))


def _point(key: str) -> int:
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest())
