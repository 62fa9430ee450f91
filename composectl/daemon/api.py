"""Answers the control API: each request is carried out by the daemon, until that shuts down."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import replace
from functools import partial
from typing import Any

from composectl import errors
from composectl.config.service import RolloutConfig
from composectl.control.commands import CanaryDecision, Progress, RolloutRequest, ScaleRequest
from composectl.control.listener_fds import ListenerFds
from composectl.daemon.daemon import Daemon
from composectl.daemon.logs import Logs
from composectl.daemon.maintenance import drain, undrain
from composectl.daemon.rollout import decide_canary, roll_out
from composectl.daemon.scaling import scale
from composectl.daemon.shutdown import Interrupted, Shutdown, cancel_on


class Api:
    """The `DaemonApi` of a daemon; raises ComposectlError where a shutdown is requested meanwhile."""

    def __init__(self, daemon: Daemon, shutdown: Shutdown) -> None:
        self.events = daemon.events
        self.dashboard_events = daemon.dashboard_events
        self.metrics = daemon.metrics
        self.info = daemon.info
        self.snapshot = daemon.snapshot
        self.refresh = daemon.refresh
        self.drain = partial(drain, daemon)
        self.undrain = partial(undrain, daemon)
        self.stop = shutdown.request
        self.logs = partial(Logs, daemon)
        self._daemon = daemon
        self._shutdown = shutdown

    async def scale(self, request: ScaleRequest, progress: Progress) -> None:
        await self._until_shutdown(scale(self._daemon, request, progress))

    async def rollout(self, request: RolloutRequest, progress: Progress) -> None:
        await self._until_shutdown(self._roll_out(request, progress))

    async def decide_canary(self, decision: CanaryDecision, progress: Progress) -> None:
        await self._until_shutdown(decide_canary(self._daemon, decision, progress))

    def listeners(self) -> ListenerFds | None:
        return None if self._daemon.orchestrator.refusal else self._daemon.listener_fds

    async def update(self, service: str, progress: Progress) -> None:
        """Roll out a service from the compose files as they are now."""
        config = RolloutConfig()
        request = RolloutRequest((service,), "", config.parallel, config.monitor, config.ready_timeout)
        await self.rollout(request, progress)

    # Private

    async def _roll_out(self, request: RolloutRequest, progress: Progress) -> None:
        orchestrator = self._daemon.orchestrator
        orchestrator.check_managed()
        for service in request.services if not request.rendered else ():
            self._daemon.service(service)
            request = replace(request, rendered=await orchestrator.newest_revision(service))
        await roll_out(self._daemon, request, progress)

    async def _until_shutdown(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await cancel_on(self._shutdown.requested, work)
        except Interrupted:
            raise errors.ComposectlError(
                f"composectl is shutting down (project `{self._daemon.lock.project}`)", "start it again and retry"
            ) from None
