"""The places at the backends of a service with a cap, as the daemon makes them for its workers; eventfd(2)."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from pathlib import Path

from composectl.daemon.board import BACKENDS, Board

_LOOKS = 1000


@dataclass(frozen=True, slots=True)
class CappedBackend:
    """`descriptor`: a semaphore with a token for each free place; `number`: its row on the board."""

    descriptor: int
    number: int


class BackendNumbers:
    """Those of the rows that no backend has."""

    def __init__(self) -> None:
        self._unused = iter(range(BACKENDS))
        self._free: list[int] = []

    def take(self) -> int:
        return heappop(self._free) if self._free else next(self._unused)

    def give_back(self, number: int) -> None:
        heappush(self._free, number)


class CappedBackends:
    """Each has `limit` places. `is_known`: whether a backend of this ref is still there, or has requests."""

    def __init__(self, limit: int, numbers: BackendNumbers, is_known: Callable[[int], bool]) -> None:
        self._limit = limit
        self._numbers = numbers
        self._is_known = is_known
        self._backends: dict[int, CappedBackend] = {}

    def of(self, ref: int) -> CappedBackend:
        """The places of the backend which all processes call so."""
        found = self._backends.get(ref)
        if found is None:
            self._forget([known for known in self._backends if not self._is_known(known)])
            tokens = os.eventfd(self._limit, os.EFD_SEMAPHORE | os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            found = self._backends[ref] = CappedBackend(tokens, self._numbers.take())
        return found

    def give_back(self, board: Board, worker: int, changing: int) -> None:
        """A worker has ended: free its places. `changing`: of which backend, from 1, it is not known what it has."""
        for backend in self._backends.values():
            held = board.at_backend(backend.number, worker).own
            if backend.number + 1 == changing:
                held = self._missing(board, backend, worker, held)
            if held:
                os.eventfd_write(backend.descriptor, held)

    def close(self) -> None:
        self._forget(list(self._backends))

    # Private

    def _forget(self, refs: list[int]) -> None:
        for ref in refs:
            backend = self._backends.pop(ref)
            os.close(backend.descriptor)
            self._numbers.give_back(backend.number)

    def _missing(self, board: Board, backend: CappedBackend, worker: int, held: int) -> int:
        """How many tokens no other worker has, and none is left of; `held`, if the others are never at rest."""
        seats = board.at_backend(backend.number, worker)
        for _ in range(_LOOKS):
            before = _tokens(backend.descriptor), seats.of_others
            if before == (_tokens(backend.descriptor), seats.of_others):
                return max(0, self._limit - sum(before))
        return held


# Private


def _tokens(descriptor: int) -> int:
    """How many are left (proc(5), fdinfo)."""
    lines = Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines()
    return next(int(line.split()[1], 16) for line in lines if line.startswith("eventfd-count:"))
