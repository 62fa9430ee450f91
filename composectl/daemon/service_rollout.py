"""The rollout of one service: its course, whichever side chooses the replicas that are replaced."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from composectl.balance.backend import Backend
from composectl.balance.phase import Phase
from composectl.control.commands import Progress
from composectl.daemon.daemon import Daemon
from composectl.daemon.rollout_monitor import ReplicaRejected, RolloutMonitor
from composectl.daemon.rollout_pace import CONTINUE, RolloutPace
from composectl.daemon.service import BalancedService
from composectl.orchestrator.base import Revision

LOG_LINES = 10  # of a replica that is rejected


@dataclass(slots=True)
class ServiceRollout:
    """The rollout of one service to a revision, None for that of its replicas before.

    `old` are the ids of the replicas that it replaces.
    """

    daemon: Daemon
    service: BalancedService
    pace: RolloutPace
    revision: Revision | None
    progress: Progress
    old: frozenset[str] = frozenset()

    def check_capacity(self) -> None:
        """Raise where the replicas that are to be there side by side cannot be."""
        more = 0 if self.pace.stop_first else self.pace.parallel
        self.daemon.orchestrator.check_capacity(self.service.name, self._desired + more, self.revision)

    async def run(self) -> None:
        """Replace all replicas. Raises ComposectlError, as every step does."""
        await self._begin()
        await self._replace_all()

    async def pause_at_canary(self, share: float) -> None:
        """Make one new replica, which gets this share of the requests, and leave the rest until it is decided on."""
        await self._begin()
        self.service.begin_canary(self.old, share)
        try:
            names = await self._make_canary()
        except BaseException:
            self.service.end_canary()
            self.service.count_rollout("failed")
            raise
        self.service.pause_rollout(self)
        self.progress(
            f"{', '.join(sorted(names))} is paused at {100 * share:g}% of the requests;"
            f" run `composectl rollout {self.service.name} --promote` or `--abort`"
        )

    async def promote(self) -> None:
        """Monitor the new replicas that are there already, then replace all others."""
        raise NotImplementedError

    async def abort(self) -> None:
        """Have all as it was before."""
        await self._undo_canary()
        self.service.count_rollout("aborted")
        self._report_ready()

    # Private

    @property
    def _desired(self) -> int:
        return self.daemon.orchestrator.desired[self.service.name]

    @property
    def _ready(self) -> list[Backend]:
        return [backend for backend in self.service.pool.backends if backend.phase is Phase.READY]

    def _report_ready(self) -> None:
        self.progress(f"{self.service.name}: {self.service.pool.ready} of {self._desired} ready")

    async def _begin(self) -> None:
        self.old = await self._find_old()
        order = ", old ones leave first" if self.pace.stop_first else ""
        self.progress(f"{self.service.name}: rolling out {self._desired}, {self.pace.parallel} at a time{order}")

    async def _find_old(self) -> frozenset[str]:
        """All replicas that there are, by id."""
        raise NotImplementedError

    async def _make_canary(self) -> Collection[str]:
        """The names of the new replicas, of which there is one, as a rule."""
        raise NotImplementedError

    async def _undo_canary(self) -> None:
        raise NotImplementedError

    async def _replace_all(self) -> None:
        raise NotImplementedError

    async def _watch(self, names: Mapping[str, str]) -> None:
        """Monitor the new replicas with these names, by id. Raises ReplicaRejected."""
        await RolloutMonitor(self.daemon, self.service, self.pace, names, self.old, self.progress).run()

    @contextmanager
    def _tolerating(self) -> Iterator[None]:
        """Where the rollout is to go on all the same, a replica that is rejected costs a warning."""
        try:
            yield
        except ReplicaRejected as rejected:
            if self.pace.failure_action != CONTINUE:
                raise
            self.progress(f"warning: {rejected.reason}; the rollout continues")
