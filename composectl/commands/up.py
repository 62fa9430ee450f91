"""`composectl up --balance`: the project up, its replicas behind the ports that it publishes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, NoReturn

from composectl import errors
from composectl.balance.change import Change
from composectl.balance.snapshot import Snapshot
from composectl.commands.balanced import Balanced
from composectl.commands.detach import Announce, detach
from composectl.commands.interrupts import Interrupted, Interrupts, unless
from composectl.commands.invocation import Invocation
from composectl.commands.loop import run
from composectl.commands.prepare import prepare
from composectl.commands.readiness import settle, until_serving
from composectl.commands.running import Running
from composectl.commands.scaling import scale
from composectl.commands.wish import Wish
from composectl.compose.ports import Port
from composectl.control.api import Handlers, serve_api
from composectl.engine.watch import Watch
from composectl.proxy.listen import PortTaken
from composectl.screen.lines import change_line
from composectl.screen.live import LiveTable, is_live
from composectl.screen.progress import waiting

_DRAIN_SECONDS = 10.0
_SETTLE_SECONDS = 2.0
_RELEASE_SECONDS = 5.0
_RELEASE_PAUSE = 0.05


def up(invocation: Invocation, wish: Wish) -> int:
    """Run until Ctrl-C, or with `-d` until there is a background process that serves. Returns the exit code."""
    if wish.detach:
        return detach(lambda announce: run(_up(invocation, wish, announce)))
    return run(_up(invocation, wish, None))


# Private


async def _up(invocation: Invocation, wish: Wish, announce: Announce | None) -> int:
    with Interrupts() as interrupts:
        try:
            running = await unless(interrupts.asked, prepare(invocation, wish))
        except Interrupted:
            return interrupts.exit_code
        try:
            return await _Up(running, wish, interrupts, announce).run()
        finally:
            running.close()


class _Up:
    """One run of `up`, from the first container to the last word."""

    def __init__(self, running: Running, wish: Wish, interrupts: Interrupts, announce: Announce | None) -> None:
        self._running = running
        self._wish = wish
        self._interrupts = interrupts
        self._announce = announce
        self._announced = False

    async def run(self) -> int:
        with _only_error():
            async with asyncio.TaskGroup() as group:
                background = [group.create_task(work) for work in self._background()]
                api = await serve_api(self._handlers(), self._running.claim.listen())
                try:
                    return await self._work()
                finally:
                    await api.cleanup()
                    for task in background:
                        task.cancel()

    # Private

    def _background(self) -> Iterator[Coroutine[Any, Any, None]]:
        running = self._running
        watch = Watch(
            running.engine,
            running.stack.project,
            tuple(running.balanced),
            observe=running.observe,
            leave=running.leave,
            lost=_say,
            back=lambda: _say("the Docker Engine answers again"),
        )
        yield watch.run()
        yield self._every_second()
        for balanced in running.balanced.values():
            yield balanced.watch_health()

    async def _every_second(self) -> NoReturn:
        while True:
            await asyncio.sleep(1)
            for balanced in self._running.balanced.values():
                balanced.sweep()

    def _handlers(self) -> Handlers:
        running = self._running
        return Handlers(
            about=running.about,
            snapshot=running.snapshot,
            scale=lambda wanted, progress: scale(running, wanted, progress),
            stop=self._interrupts.ask,
        )

    async def _work(self) -> int:
        try:
            await unless(self._interrupts.asked, self._start())
            async with self._shown():
                await self._interrupts.asked.wait()
                await unless(self._interrupts.forced, self._running.drain())
            if not self._leaves:
                await unless(self._interrupts.forced, self._running.stack.stop(self._services))
        except Interrupted:
            await self._give_up()
        except errors.ReplicasFailed:
            await self._running.stack.stop(self._services)
            raise
        return self._interrupts.exit_code

    async def _start(self) -> None:
        running = self._running
        if self._announce is None and not is_live():
            running.journal.read_by(_print_change)
        await running.stack.up(self._wish.arguments, self._wish.scales)
        for balanced in running.balanced.values():
            await _bind_rest(running, balanced)
            await balanced.serve(_DRAIN_SECONDS)
        with waiting("Waiting for a replica to be ready"):
            await until_serving(running, self._wish.ready_seconds if self._wish.detach else None)
            await settle(running, _SETTLE_SECONDS)

    @asynccontextmanager
    async def _shown(self) -> AsyncIterator[None]:
        """Show what goes on: in the log of the background process, in the table, or in lines."""
        if self._announce is not None:
            self._tell_caller(self._announce)
            yield
        elif is_live():
            async with _drawn(self._running.snapshot):
                yield
        else:
            yield

    def _tell_caller(self, announce: Announce) -> None:
        announce("".join(map(_sentence, self._running.balanced.values())), self._running.claim.log)
        self._announced = True
        self._running.journal.read_by(_print_change)

    async def _give_up(self) -> None:
        """Interrupted while it came up, or forced: no more patience with anything."""
        if not self._leaves:
            stack = self._running.stack
            stop = stack.kill if self._interrupts.forced.is_set() else stack.stop
            await stop(self._services)

    @property
    def _leaves(self) -> bool:
        """Whether the replicas go on without us: in the background, or when another terminal asked us to end."""
        return self._announced or not self._interrupts.number

    @property
    def _services(self) -> tuple[str, ...]:
        """The services that are ours to stop: all, unless some were named."""
        named = self._wish.arguments.services
        return tuple(dict.fromkeys((*named, *self._wish.scales))) if named else ()


@asynccontextmanager
async def _drawn(snapshot: Callable[[], Snapshot]) -> AsyncIterator[None]:
    over = asyncio.Event()
    table = asyncio.create_task(LiveTable().show(snapshot, over))
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


async def _bind_rest(running: Running, balanced: Balanced) -> None:
    """Take the ports that replicas of ours held until a moment ago."""
    for port in balanced.unbound:
        deadline = asyncio.get_running_loop().time() + _RELEASE_SECONDS
        while not _is_bound(balanced, port):
            if asyncio.get_running_loop().time() > deadline:
                holder = await running.engine.holder_of(port.published[0])
                raise errors.port_taken(str(port.published[0]), f"container `{holder.name}`" if holder else "")
            await asyncio.sleep(_RELEASE_PAUSE)


def _is_bound(balanced: Balanced, port: Port) -> bool:
    with suppress(PortTaken):
        balanced.bind(port)
        return True
    return False


def _sentence(balanced: Balanced) -> str:
    return f"{balanced.service}: {balanced.wanted} replicas behind {', '.join(balanced.listeners)}\n"


def _print_change(change: Change) -> None:
    sys.stdout.write(change_line(change.service, change) + "\n")
    sys.stdout.flush()


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
