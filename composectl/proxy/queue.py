"""The request queue: requests wait while no backend may get them, and leave it in the order in which they came."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from composectl.balance.pool import Pool
from composectl.proxy.limits import QueueConfig
from composectl.proxy.seats import Seats

# So many for each ready backend may be without a connection: all at once would overrun the backlog of the first one,
# and leave nothing to the next.
_DIALS_PER_BACKEND: Final = 32
_ADMISSION_PAUSE: Final = 0.01
_REFUSED_PAUSE: Final = 0.05
NOT_QUEUED: Final = -1


class Queued:
    """A request that may be queued; `queued_at`: the tick of the queue at which it first was, or NOT_QUEUED.

    `queued_since`: the same as the clock had it, in nanoseconds, which is set with it.
    """

    __slots__ = ("queued_at", "queued_since")

    queued_at: int
    queued_since: int

    @property
    def is_dialing(self) -> bool:
        """Whether a connection is being made for it."""
        raise NotImplementedError

    def dequeued(self) -> None:
        """It is its turn."""

    def reject(self) -> None:
        """No backend could take it in time."""

    def fail_internally(self, error: Exception) -> None:
        """A bug was met: end this request, and no other."""


class RequestQueue:
    """The queue of one service, whichever listener a request came by.

    `on_queued` is called when a request waits and no backend is ready. `seats`: of the queues of all workers;
    `since`: when the first one of each was queued, which a `SharedCap` looks at.
    """

    def __init__(
        self,
        pool: Pool,
        config: QueueConfig,
        on_queued: Callable[[], None] = lambda: None,
        seats: Seats | None = None,
        since: Seats | None = None,
    ) -> None:
        self._pool = pool
        self._on_queued = on_queued
        self._timeout = config.timeout
        self._size = config.size if config.timeout else 0
        self._seats = seats
        self._since = since
        self._waiting: OrderedDict[Queued, None] = OrderedDict()
        self._pinned: OrderedDict[Queued, None] = OrderedDict()  # each waits for a certain backend, and others pass it
        self._retries: OrderedDict[Queued, None] = OrderedDict()  # they wait for a slot of the retry budget
        self._admission: asyncio.Handle | None = None
        self._retry_admission: asyncio.Handle | None = None
        self._dialing: list[Queued] = []
        self._tick = 0

    @property
    def queued(self) -> int:
        """How many requests wait."""
        return len(self._waiting) + len(self._pinned) + len(self._retries)

    @property
    def must_queue(self) -> bool:
        """Whether a new request has to wait behind others, and may."""
        return 0 < len(self._waiting) < self._size - self._elsewhere

    def enqueue(self, request: Queued) -> bool:
        """Let it wait, if there is room: it will be dequeued or rejected, unless it is removed."""
        if not self._may_wait(request, self._timeout):
            return False
        self._waiting[request] = None
        self._take_seats()
        if self._pool.has_room:
            self.admit()
        elif not self._pool.ready:
            self._on_queued()
        return True

    def enqueue_refused(self, request: Queued, within: int | None = None) -> bool:
        """The same, a moment longer: all backends have just refused it.

        `within`: only in so many seconds after it was queued first, and never after the timeout.
        """
        if not self._may_wait(request, self._timeout if within is None else min(within, self._timeout)):
            return False
        self._waiting[request] = None
        self._take_seats()
        if self._pool.has_room and self._admission is None:
            self._admission = asyncio.get_running_loop().call_later(_REFUSED_PAUSE, self._admit_waiting)
        return True

    def enqueue_pinned(self, request: Queued) -> bool:
        """The same before all others, which pass it where there is room: the backend that it needs is full."""
        if not self._may_wait(request, self._timeout):
            return False
        if self._pool.has_room:
            self._pinned[request] = None
        else:
            self._waiting[request] = None
            self._waiting.move_to_end(request, last=False)
        self._take_seats()
        return True

    def enqueue_retry(self, request: Queued) -> bool:
        """Let it wait for a slot of the retry budget, if there is room."""
        if len(self._retries) >= self._size:
            return False
        self._retries[request] = None
        return True

    def remove(self, request: Queued) -> None:
        """It waits no longer, if it did."""
        self._waiting.pop(request, None)
        self._pinned.pop(request, None)
        self._take_seats()
        self._retries.pop(request, None)

    def admit(self) -> None:
        """A backend has room: admit requests, once all backends that became ready at this moment are known."""
        if (self._waiting or self._pinned) and self._admission is None:
            self._admission = asyncio.get_running_loop().call_soon(self._admit_waiting)

    def admit_retries(self) -> None:
        """A slot of the retry budget is free: admit retries, once the request that had it is done."""
        if self._retries and self._retry_admission is None:
            self._retry_admission = asyncio.get_running_loop().call_soon(self._admit_retries)

    def sweep(self) -> None:
        """Reject requests whose time is over, and admit others; to be called once a second."""
        self._tick += 1
        for queue in (self._pinned, self._waiting):
            for request in [waiting for waiting in queue if self._tick - waiting.queued_at > self._timeout]:
                if request in queue:
                    del queue[request]
                    request.reject()
        self._take_seats()
        if self._pool.has_room:
            self.admit()

    def close(self) -> None:
        """Reject all requests, from now on."""
        self._size = 0
        for queue in (self._pinned, self._waiting, self._retries):
            while queue:
                queue.popitem(False)[0].reject()
        self._take_seats()

    # Private

    def _may_wait(self, request: Queued, seconds: int) -> bool:
        """Whether there is room for it, not more than so many seconds after it was queued first."""
        if request.queued_at == NOT_QUEUED:
            request.queued_at = self._tick
            request.queued_since = time.monotonic_ns()
        elif self._tick - request.queued_at > seconds:
            return False
        return len(self._waiting) + len(self._pinned) < self._size - self._elsewhere

    @property
    def _elsewhere(self) -> int:
        """How many wait in other workers."""
        return 0 if self._seats is None else self._seats.of_others

    def _take_seats(self) -> None:
        if self._seats is not None:
            self._seats.set(len(self._waiting) + len(self._pinned))
        if self._since is not None:
            first = next(iter(self._waiting), None)
            self._since.set(0 if first is None else first.queued_since)

    def _admit_waiting(self) -> None:
        self._admission = None
        if self._pinned:
            self._pinned.update(self._waiting)
            self._waiting, self._pinned = self._pinned, OrderedDict()
        self._dialing = [request for request in self._dialing if request.is_dialing]
        pool = self._pool
        while self._waiting and pool.has_room and len(self._dialing) < _DIALS_PER_BACKEND * pool.ready:
            request = self._waiting.popitem(False)[0]
            self._dialing.append(request)
            _dequeue(request)
        self._take_seats()
        if self._waiting and pool.has_room:
            self._admission = asyncio.get_running_loop().call_later(_ADMISSION_PAUSE, self._admit_waiting)
        else:
            self._dialing.clear()

    def _admit_retries(self) -> None:
        self._retry_admission = None
        while self._retries:
            request, _ = self._retries.popitem(False)
            _dequeue(request)
            if request in self._retries:  # it is too early
                self._retries.move_to_end(request, last=False)
                return


# Private


def _dequeue(request: Queued) -> None:
    try:
        request.dequeued()
    except Exception as error:
        request.fail_internally(error)
