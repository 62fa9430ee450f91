"""Blocking work on daemon threads: it holds up neither the loop, nor other work, nor the end of the process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

_T = TypeVar("_T")


async def in_thread(work: Callable[[], _T]) -> _T:
    """The result of `work()`, or what it raises; whoever is cancelled does not wait for it to end.

    `asyncio.to_thread` would not do: it has six threads on two cores, so that a few replicas that take their grace
    period to stop would keep us from listing, and the process waits for them before it ends.
    """
    outcome: Future[_T] = Future()
    Thread(target=_settle, args=(outcome, work), daemon=True).start()
    return await asyncio.wrap_future(outcome)


# Private


def _settle(outcome: Future[_T], work: Callable[[], _T]) -> None:
    if not outcome.set_running_or_notify_cancel():
        return
    try:
        outcome.set_result(work())
    except Exception as error:
        outcome.set_exception(error)
