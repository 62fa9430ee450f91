"""`composectl up --balance`: the project up, its replicas behind the ports that it publishes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from composectl import errors
from composectl.compose.client import LoadedProject
from composectl.compose.options import Invocation
from composectl.compose.ports import Port
from composectl.config.up import UpConfig
from composectl.control.api import Handlers
from composectl.control.commands import Progress, Scaling
from composectl.daemon.background import ReadyNotifier
from composectl.daemon.maintenance import drain, undrain
from composectl.daemon.preflight import preflight
from composectl.daemon.project import RunningProject
from composectl.daemon.readiness import until_serving, wait_for_stragglers
from composectl.daemon.rollout import Renewing, judge, roll_out
from composectl.daemon.scaling import scale
from composectl.daemon.service import BalancedService
from composectl.daemon.serving import print_changes, prints_lines, serving, shown, until_shutdown
from composectl.daemon.shutdown import Interrupted, Shutdown, cancel_on
from composectl.proxy.listener import PortTaken
from composectl.screen.console import info, spinner

_ADOPTION_TIMEOUT = 0.5
_STRAGGLER_TIMEOUT = 2.0
_RELEASE_TIMEOUT = 5.0
_RELEASE_INTERVAL = 0.05
_Order = TypeVar("_Order")


async def run_up(
    invocation: Invocation, config: UpConfig, loaded: LoadedProject, notify_ready: ReadyNotifier | None
) -> int:
    with Shutdown() as shutdown:
        try:
            running = await cancel_on(shutdown.requested, preflight(invocation, config, loaded))
        except Interrupted:
            return shutdown.exit_code
        try:
            renewing = Renewing(loaded.client, running.balanced)
            return await _Up(running, config, renewing, shutdown, notify_ready).run()
        finally:
            running.close()


# Private


class _Up:
    """One run of `up`, from the first container to the last word."""

    def __init__(
        self,
        running: RunningProject,
        config: UpConfig,
        renewing: Renewing,
        shutdown: Shutdown,
        notify_ready: ReadyNotifier | None,
    ) -> None:
        self._running = running
        self._wish = config
        self._renewing = renewing
        self._shutdown = shutdown
        self._notify = notify_ready
        self._notified = False
        self._handlers = self._make_handlers()

    async def run(self) -> int:
        async with serving(self._running, self._handlers, self._running.follow()):
            return await self._work()

    # Private

    def _make_handlers(self) -> Handlers:
        running = self._running
        return Handlers(
            about=running.about,
            snapshot=running.snapshot,
            events=running.events,
            scraping=running.scraping,
            scale=self._unless_it_ends(scale),
            rollout=self._unless_it_ends(roll_out),
            judge=self._unless_it_ends(judge),
            drain=partial(drain, running),
            undrain=partial(undrain, running),
            estate=running.estate,
            stop=self._shutdown.request,
        )

    def _unless_it_ends(
        self, work: Callable[[RunningProject, _Order, Progress], Coroutine[Any, Any, None]]
    ) -> Callable[[_Order, Progress], Coroutine[Any, Any, None]]:
        async def obey(order: _Order, progress: Progress) -> None:
            try:
                await cancel_on(self._shutdown.requested, work(self._running, order, progress))
            except Interrupted:
                raise errors.ends_now(self._running.compose_project.name) from None

        return obey

    async def _update_service(self, service: str, progress: Progress) -> None:
        await self._handlers.rollout(await self._renewing.order(service), progress)

    async def _work(self) -> int:
        try:
            await cancel_on(self._shutdown.requested, self._start())
            async with shown(self._running, self._notify, self._summary):
                self._notified = self._notify is not None
                await until_shutdown(self._shutdown, self._notify)
                await cancel_on(self._shutdown.forced, self._running.drain())
            if not self._leave_replicas_running:
                await cancel_on(self._shutdown.forced, self._running.compose_project.stop(self._services))
        except Interrupted:
            await self._give_up()
        except errors.ReplicasFailed:
            if self._running.predecessor is None:
                await self._running.compose_project.stop(self._services)
            raise
        return self._shutdown.exit_code

    async def _start(self) -> None:
        running = self._running
        if prints_lines(running, self._notify):
            print_changes(running)
        if running.predecessor is None:
            await self._open_views()
            await self._adopt_running()
            await running.compose_project.up(self._wish.arguments, self._wish.scales)
            await self._serve()
        with spinner("Waiting for a replica to be ready"):
            await until_serving(running, self._wish.ready_timeout if self._wish.detach else None)
            await wait_for_stragglers(running, _STRAGGLER_TIMEOUT)
        if running.predecessor is not None:
            await self._serve()
            running.claim.take_over()
            await asyncio.to_thread(running.predecessor.dismiss)
            running.predecessor = None
            await self._open_views()
            await scale(running, Scaling(self._wish.scales), info)

    async def _open_views(self) -> None:
        await self._running.views.open(self._handlers, self._update_service)

    async def _adopt_running(self) -> None:
        """Replicas that an earlier composectl left behind serve at once: Compose takes its time to find them fit."""
        running = self._running
        there = await running.engine.replicas(running.compose_project.name, tuple(running.balanced))
        left = [one for one in running.balanced.values() if there[one.service] and not one.unbound]
        with suppress(TimeoutError):
            async with asyncio.timeout(_ADOPTION_TIMEOUT):
                await running.journal.wait_until(lambda: all(one.pool.ready for one in left))
        for balanced in left:
            if balanced.pool.ready:
                await balanced.serve()

    async def _serve(self) -> None:
        for balanced in self._running.balanced.values():
            if not balanced.is_served:
                await _bind_released_ports(self._running, balanced)
                await balanced.serve()

    @property
    def _summary(self) -> str:
        return "".join(map(_sentence, self._running.balanced.values()))

    async def _give_up(self) -> None:
        """Interrupted while it came up, or forced: no more patience with anything, but with clients unless forced."""
        with suppress(Interrupted):
            await cancel_on(self._shutdown.forced, self._running.drain())
        if not self._leave_replicas_running:
            compose_project = self._running.compose_project
            stop = compose_project.kill if self._shutdown.forced.is_set() else compose_project.stop
            await stop(self._services)

    @property
    def _leave_replicas_running(self) -> bool:
        """Whether the replicas go on without us: in the background, when another terminal asked us to end, or where
        the composectl that we were to take over from goes on.
        """
        return self._notified or not self._shutdown.number or self._running.predecessor is not None

    @property
    def _services(self) -> tuple[str, ...]:
        """The services that are ours to stop: all, unless some were named."""
        named = self._wish.arguments.services
        return tuple(dict.fromkeys((*named, *self._wish.scales))) if named else ()


async def _bind_released_ports(running: RunningProject, balanced: BalancedService) -> None:
    """Take the ports that replicas of ours held until a moment ago."""
    for port in balanced.unbound:
        deadline = asyncio.get_running_loop().time() + _RELEASE_TIMEOUT
        while not _is_bound(balanced, port):
            if asyncio.get_running_loop().time() > deadline:
                holder = await running.engine.port_owner(port.published[0])
                raise errors.port_taken(str(port.published[0]), f"container `{holder.name}`" if holder else "")
            await asyncio.sleep(_RELEASE_INTERVAL)


def _is_bound(balanced: BalancedService, port: Port) -> bool:
    with suppress(PortTaken):
        balanced.bind(port)
        return True
    return False


def _sentence(balanced: BalancedService) -> str:
    return f"{balanced.service}: {balanced.desired} replicas behind {', '.join(balanced.listeners)}\n"
