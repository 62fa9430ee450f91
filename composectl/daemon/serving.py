"""What goes on while a composectl serves: probes, sweeps, the control API, and what this terminal shows of it."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from composectl import errors
from composectl.control.api import Handlers, serve_api
from composectl.control.pacing import every
from composectl.control.paths import log_name
from composectl.daemon.background import ReadyNotifier
from composectl.daemon.daemon import Running
from composectl.daemon.shutdown import Shutdown
from composectl.proxy.access_log import AccessLogMonitor
from composectl.sanitize import sanitize_lines
from composectl.screen import console
from composectl.screen.console import change_line, transition_line
from composectl.screen.live import LiveTable, is_live

Background = Coroutine[Any, Any, None]


@asynccontextmanager
async def serving(running: Running, handlers: Handlers, *more: Background) -> AsyncIterator[None]:
    """While entered, everything goes on that a running composectl needs, and `more`. Raises what any of it raises."""
    with _single_error(), _reopening_log(running):
        async with asyncio.TaskGroup() as group:
            background = [group.create_task(work) for work in (*more, *_background(running))]
            api = await serve_api(handlers, running.claim.listen())
            try:
                yield
            finally:
                await running.views.shut()
                await running.cut()
                await api.cleanup()
                for task in background:
                    task.cancel()


@asynccontextmanager
async def shown(running: Running, notify_ready: ReadyNotifier | None, summary: str) -> AsyncIterator[None]:
    """While entered, what goes on is in the log of the background process, in the table, or in lines.

    The caller of a background process gets `summary`.
    """
    if notify_ready is not None:
        notify_ready(summary, log_name(running.claim.stem, running.directory))
        running.journal.subscribe(lambda change: console.info(transition_line(running.label(change), change)))
        yield
    elif _is_drawn(running):
        async with _drawn(running):
            yield
    else:
        yield


def prints_lines(running: Running, notify_ready: ReadyNotifier | None) -> bool:
    """Whether each change is to be a line: in the foreground, where no table is drawn."""
    return notify_ready is None and not _is_drawn(running)


def print_changes(running: Running) -> None:
    """Make each change a line, those that are kept and those to come."""
    say = sayer(running)
    running.journal.subscribe(lambda change: say(f"{change_line(running.label(change), change)}\n"))


async def until_shutdown(shutdown: Shutdown, notify_ready: ReadyNotifier | None) -> None:
    """Wait until we are to end; the log of a background process tells by whom."""
    await shutdown.requested.wait()
    if notify_ready is not None:
        console.info(f"shutting down: {shutdown.reason}")


def sayer(running: Running) -> Callable[[str], None]:
    """What says a text at once, whoever reads it: on stdout, unless that belongs to the access log."""
    return _say_beside if running.log is not None and running.log.on_stdout else _say


# Private


def _background(running: Running) -> Iterator[Background]:
    yield _tick_forever(running)
    for balanced in running.balanced.values():
        yield balanced.watch_health()


async def _tick_forever(running: Running) -> None:
    trouble = None if running.log is None else AccessLogMonitor(running.log)
    await asyncio.sleep(1)
    gc.freeze()  # what is there now stays: looking through all of it for garbage would stop the loop for 20 ms
    async for _ in every(1.0):
        await running.tick()
        if trouble is not None and (news := trouble.warning()):
            console.info(news)


def _is_drawn(running: Running) -> bool:
    return is_live() and not (running.log is not None and running.log.on_stdout)


def _say(text: str) -> None:
    sys.stdout.write(sanitize_lines(text))
    sys.stdout.flush()


def _say_beside(text: str) -> None:
    console.info(text.rstrip("\n"))


@contextmanager
def _reopening_log(running: Running) -> Iterator[None]:
    """While entered, SIGUSR1 opens the access log anew; where there is none, it does nothing."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, running.reopen_log)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGUSR1)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)


@asynccontextmanager
async def _drawn(running: Running) -> AsyncIterator[None]:
    over = asyncio.Event()
    table = asyncio.create_task(LiveTable().show(running.lately.json, over))
    try:
        yield
    finally:
        over.set()
        await table


@contextmanager
def _single_error() -> Iterator[None]:
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
