"""What goes on while a composectl serves: probes, sweeps, the control API, and what this terminal shows of it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NoReturn

from composectl import errors
from composectl.commands.detach import Announce
from composectl.commands.running import Running
from composectl.control.api import Handlers, serve_api
from composectl.screen.lines import change_line
from composectl.screen.live import LiveTable, is_live

Background = Coroutine[Any, Any, None]


@asynccontextmanager
async def serving(running: Running, handlers: Handlers, *more: Background) -> AsyncIterator[None]:
    """While entered, everything goes on that a running composectl needs, and `more`. Raises what any of it raises."""
    with _only_error():
        async with asyncio.TaskGroup() as group:
            background = [group.create_task(work) for work in (*more, *_background(running))]
            api = await serve_api(handlers, running.claim.listen())
            try:
                yield
            finally:
                if running.metrics:
                    await running.metrics.shut()
                if running.dashboard:
                    await running.dashboard.shut()
                await api.cleanup()
                for task in background:
                    task.cancel()


@asynccontextmanager
async def shown(running: Running, announce: Announce | None, summary: str) -> AsyncIterator[None]:
    """While entered, what goes on is in the log of the background process, in the table, or in lines.

    The caller of a background process gets `summary`.
    """
    if announce is not None:
        announce(summary, running.claim.log)
        print_changes(running)
        yield
    elif is_live():
        async with _drawn(running):
            yield
    else:
        yield


def prints_lines(announce: Announce | None) -> bool:
    """Whether each change is to be a line on stdout: in the foreground, away from a terminal."""
    return announce is None and not is_live()


def print_changes(running: Running) -> None:
    """Make each change a line on stdout, those that are kept and those to come."""
    running.journal.read_by(lambda change: say(f"{change_line(running.who(change), change)}\n"))


def say(text: str) -> None:
    """Say it on stdout at once, whoever reads it."""
    sys.stdout.write(text)
    sys.stdout.flush()


# Private


def _background(running: Running) -> Iterator[Background]:
    yield _every_second(running)
    for balanced in running.balanced.values():
        yield balanced.watch_health()


async def _every_second(running: Running) -> NoReturn:
    while True:
        await asyncio.sleep(1)
        running.sweep()


@asynccontextmanager
async def _drawn(running: Running) -> AsyncIterator[None]:
    over = asyncio.Event()
    table = asyncio.create_task(LiveTable().show(running.snapshot, over))
    try:
        yield
    finally:
        over.set()
        await table


@contextmanager
def _only_error() -> Iterator[None]:
    """The one error that a group of tasks ended with, without the group."""
    try:
        yield
    except BaseExceptionGroup as group:
        told, others = group.split(errors.ComposectlError)
        if told is None or others is not None:
            raise
        raise _first(told) from None


def _first(group: BaseExceptionGroup[errors.ComposectlError]) -> errors.ComposectlError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
