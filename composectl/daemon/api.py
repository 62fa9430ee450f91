"""Answers the control API: each request is carried out by the daemon, until that shuts down."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from composectl import errors
from composectl.config.rollout import RolloutConfig
from composectl.control.api import Handlers
from composectl.control.commands import Place, Progress, Rollout, Scaling, Verdict
from composectl.daemon.daemon import Daemon
from composectl.daemon.maintenance import drain, undrain
from composectl.daemon.rollout import decide_canary, roll_out
from composectl.daemon.scaling import scale
from composectl.daemon.shutdown import Interrupted, Shutdown, cancel_on


class Api:
    """Raises `ends_now` where a shutdown is requested meanwhile."""

    def __init__(self, daemon: Daemon, shutdown: Shutdown) -> None:
        self._daemon = daemon
        self._shutdown = shutdown

    @property
    def handlers(self) -> Handlers:
        daemon = self._daemon
        return Handlers(
            about=daemon.info,
            snapshot=daemon.snapshot,
            events=daemon.events,
            scraping=daemon.scraping,
            scale=self.scale,
            rollout=self.rollout,
            judge=self.decide_canary,
            drain=self.drain,
            undrain=self.undrain,
            estate=None if daemon.orchestrator.refusal else lambda: daemon.listener_fds,
            stop=self._shutdown.request,
        )

    async def scale(self, request: Scaling, progress: Progress) -> None:
        await self._until_shutdown(scale(self._daemon, request, progress))

    async def rollout(self, request: Rollout, progress: Progress) -> None:
        await self._until_shutdown(roll_out(self._daemon, request, progress))

    async def decide_canary(self, decision: Verdict, progress: Progress) -> None:
        await self._until_shutdown(decide_canary(self._daemon, decision, progress))

    async def drain(self, place: Place, progress: Progress) -> None:
        await drain(self._daemon, place, progress)

    async def undrain(self, place: Place, progress: Progress) -> None:
        await undrain(self._daemon, place, progress)

    async def update(self, service: str, progress: Progress) -> None:
        """Roll out a service from the compose files as they are now."""
        orchestrator = self._daemon.orchestrator
        orchestrator.check_managed()
        self._daemon.service(service)
        config = RolloutConfig()
        rendered = await orchestrator.newest_revision(service)
        request = Rollout((service,), rendered, config.parallel, config.monitor, config.ready_timeout)
        await self.rollout(request, progress)

    # Private

    async def _until_shutdown(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await cancel_on(self._shutdown.requested, work)
        except Interrupted:
            raise errors.ends_now(self._daemon.lock.project) from None
