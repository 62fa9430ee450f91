"""A cap on what is in flight at each backend, from all workers together, as one of them keeps it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from typing import Final

from composectl.balance.backend import Backend
from composectl.balance.policy.capped import Capped
from composectl.balance.policy.policy import Avoid, Policy
from composectl.proxy.seats import Seats

# For so long a free place is left to another worker, whose request has waited for longer; then that is not able to.
_YIELD: Final = 5_000_000  # nanoseconds
_YIELD_SECONDS: Final = 0.005


class Places:
    """The places at one backend: `descriptor` is a semaphore that all processes share, eventfd(2).

    `number` is that of the backend, from 1; `held` has how many of them each worker has.
    """

    def __init__(self, descriptor: int, number: int, held: Seats) -> None:
        self.descriptor = descriptor
        self.number = number
        self.held = held
        self.own = 0


class SharedCap(Capped):
    """A backend is full for this worker once no place was free, until one is.

    `waiting` has when the first of those that wait in each worker began to, in nanoseconds, and 0 where none does:
    longer waits come first. `changing` is set to the number of the backend while a place is taken or given back: what
    became of it is not certain where the worker is killed meanwhile.
    """

    def __init__(
        self, policy: Policy, limit: int, on_room: Callable[[], None], waiting: Seats, changing: Seats
    ) -> None:
        super().__init__(policy, limit, on_room)
        self._waiting = waiting
        self._changing = changing
        self._places: dict[Backend, Places] = {}
        self._loop = asyncio.get_running_loop()
        self._looking: asyncio.TimerHandle | None = None
        self._yields_until = 0

    def know(self, backend: Backend | None, places: Places) -> None:
        """To be called before the first request may get this backend; what comes later, or for none, is not needed."""
        if backend is None or backend in self._places:
            os.close(places.descriptor)
        else:
            self._places[backend] = places

    def forget(self, backend: Backend) -> None:
        places = self._places.pop(backend, None)
        if places is not None:
            os.close(places.descriptor)

    @property
    def has_room(self) -> bool:
        return len(self._full) < len(self._ready) and not self._yields()

    def is_full(self, backend: Backend) -> bool:
        return backend in self._full or self._yields()

    def add(self, backend: Backend) -> None:
        self._ready.add(backend)
        self.policy.add(backend)

    def remove(self, backend: Backend) -> None:
        self._ready.discard(backend)
        self.policy.remove(backend)
        self._has_place(backend)

    def acquire(self, avoid: Avoid = (), key: str = "") -> Backend | None:
        while self.has_room:
            outside = self._full.union(avoid) if self._full else avoid
            backend = self.policy.acquire(outside, key)
            if backend is None or self.claim(backend):
                return backend
            self.policy.release(backend)
        return None

    def claim(self, backend: Backend) -> bool:
        places = self._places[backend]
        self._yields_until = 0
        self._changing.set(places.number)
        try:
            os.eventfd_read(places.descriptor)
        except BlockingIOError:
            self._changing.set(0)
            self._has_none(backend)
            return False
        places.own += 1
        places.held.set(places.own)
        self._changing.set(0)
        return True

    def give_back(self, backend: Backend) -> None:
        places = self._places[backend]
        self._changing.set(places.number)
        places.own -= 1
        places.held.set(places.own)
        os.eventfd_write(places.descriptor, 1)
        self._changing.set(0)
        if backend in self._full:
            self._is_free(backend)

    # Private

    def _freed(self, backend: Backend) -> None:
        """`give_back` tells."""

    def _yields(self) -> bool:
        """Whether a free place is to be left to another worker; if so, `on_room` is called a moment later."""
        theirs, own = self._waiting.first_of_others, self._waiting.own
        if not theirs or 0 < own <= theirs:
            return False
        now = time.monotonic_ns()
        if not self._yields_until:
            self._yields_until = now + _YIELD
        if now >= self._yields_until:
            return False
        if self._looking is None:
            self._looking = self._loop.call_later(_YIELD_SECONDS, self._look)
        return True

    def _look(self) -> None:
        self._looking = None
        if not self._yields():  # uvloop counts whole milliseconds, and may be early
            self._on_room()

    def _has_none(self, backend: Backend) -> None:
        if backend in self._ready and backend not in self._full:
            self._full.add(backend)
            self._loop.add_reader(self._places[backend].descriptor, self._is_free, backend)

    def _has_place(self, backend: Backend) -> None:
        if backend in self._full:
            self._full.discard(backend)
            self._loop.remove_reader(self._places[backend].descriptor)

    def _is_free(self, backend: Backend) -> None:
        self._yields_until = 0
        self._has_place(backend)
        self._on_room()
