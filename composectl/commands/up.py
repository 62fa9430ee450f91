"""`composectl up --balance`: the project up, its replicas behind the ports that it publishes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from composectl import errors
from composectl.balance.change import Change
from composectl.commands.balanced import Balanced
from composectl.commands.detach import Announce, detach
from composectl.commands.interrupts import Interrupted, Interrupts, unless
from composectl.commands.invocation import Invocation
from composectl.commands.loop import run
from composectl.commands.prepare import prepare
from composectl.commands.readiness import until_serving
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
            await self._stay()
        except Interrupted:
            pass
        except errors.ReplicasFailed:
            await self._running.stack.stop(self._services)
            raise
        await self._end()
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

    async def _stay(self) -> None:
        running, over = self._running, self._interrupts.asked
        if self._announce is not None:
            self._announce("".join(map(_sentence, running.balanced.values())), running.claim.log)
            running.journal.read_by(_print_change)
        elif is_live():
            await LiveTable().show(running.snapshot, over)
        await over.wait()

    async def _end(self) -> None:
        """Drain; then stop the replicas as Compose does, unless they are to go on without us."""
        forced, stack = self._interrupts.forced, self._running.stack
        leaves = self._announce is not None or not self._interrupts.number
        try:
            with waiting("Draining"):
                await unless(forced, self._running.drain())
            if not leaves:
                await unless(forced, stack.stop(self._services))
        except Interrupted:
            if not leaves:
                await stack.kill(self._services)

    @property
    def _services(self) -> tuple[str, ...]:
        """The services that are ours to stop: all, unless some were named."""
        named = self._wish.arguments.services
        return tuple(dict.fromkeys((*named, *self._wish.scales))) if named else ()


@contextmanager
def _only_error() -> Iterator[None]:
    """The one error that a group of tasks ended with, without the group."""
    try:
        yield
    except* errors.ComposectlError as group:
        raise group.exceptions[0] from None


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
