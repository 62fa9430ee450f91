"""The feed of phase changes: the last ones, subscriptions, and a way to wait for a condition."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from composectl.balance.backend import Transition

Subscriber = Callable[[Transition], None]


class ChangeFeed:
    """Keeps the last hundred transitions, and passes each on."""

    def __init__(self) -> None:
        self._changes: deque[Transition] = deque(maxlen=100)
        self._subscribers: list[Subscriber] = []
        self._waiters: set[tuple[Callable[[], bool], asyncio.Future[None]]] = set()

    @property
    def changes(self) -> tuple[Transition, ...]:
        """The last transitions, newest last."""
        return tuple(self._changes)

    def publish(self, change: Transition) -> None:
        self._changes.append(change)
        for subscriber in self._subscribers:
            subscriber(change)
        self.wake()

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call `subscriber` with each transition that is kept, and with each to come."""
        for change in self._changes:
            subscriber(change)
        self._subscribers.append(subscriber)

    def wake(self) -> None:
        """Check the conditions again that are waited for, as when something other than a phase has changed."""
        for condition, future in self._waiters:
            if not future.done() and condition():
                future.set_result(None)

    async def wait_until(self, condition: Callable[[], bool], timeout: float | None = None) -> bool:
        """Whether `condition()`, checked after every change, has held before `timeout` seconds were over."""
        if condition():
            return True
        waiter = (condition, asyncio.get_running_loop().create_future())
        self._waiters.add(waiter)
        try:
            async with asyncio.timeout(timeout):
                await waiter[1]
        except TimeoutError:
            return False
        else:
            return True
        finally:
            self._waiters.discard(waiter)
