"""Signals that end a process: the first requests a shutdown, the second forces it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(Exception):
    """The work was cancelled because its event was set."""


class Shutdown:
    """Handles the signals while it is entered; `number` is the first one, 0 before it."""

    def __init__(self) -> None:
        self.number = 0
        self.requested = asyncio.Event()
        self.forced = asyncio.Event()

    def __enter__(self) -> Shutdown:
        for number in _SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._handle, number)
        return self

    def __exit__(self, *_: object) -> None:
        for number in _SIGNALS:
            asyncio.get_running_loop().remove_signal_handler(number)

    @property
    def exit_code(self) -> int:
        """128 + the signal's number, as in a shell; 0 without a signal."""
        return 128 + self.number if self.number else 0

    @property
    def reason(self) -> str:
        return signal.Signals(self.number).name if self.number else "requested by another terminal"

    def request(self) -> None:
        """Shut down without a signal: replicas go on running."""
        self.requested.set()

    def interrupt(self) -> None:
        """Do what Ctrl-C does."""
        self._handle(signal.SIGINT)

    # Private

    def _handle(self, number: signal.Signals) -> None:
        (self.forced if self.requested.is_set() else self.requested).set()
        self.number = self.number or number


async def cancel_on(event: asyncio.Event, work: Coroutine[Any, Any, _T]) -> _T:
    """The result of `work`; once `event` is set, the work is cancelled. Raises Interrupted."""
    task, waiter = asyncio.create_task(work), asyncio.create_task(event.wait())
    try:
        await asyncio.wait((task, waiter), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise Interrupted
    finally:
        for pending in (task, waiter):
            pending.cancel()
        await asyncio.gather(task, waiter, return_exceptions=True)
