"""Follows the replicas of a project: subscribe first, then list; an event is only a hint to list again."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NoReturn, Protocol

from composectl.balance.backend import Key, Replica
from composectl.engine.client import IDLE_TIMEOUT, Engine
from composectl.engine.events import Event, concerns, container_of, ends, gone_reason, is_kill
from composectl.errors import ComposectlError

_EARLY = 256  # as many events as the engine itself remembers


@dataclass(frozen=True, slots=True)
class WatchTiming:
    """Seconds: how often to list at least, how long hints gather, and how long to pause before connecting again."""

    relist: float = 10.0
    debounce: float = 0.05
    first_backoff: float = 0.1
    longest_backoff: float = 2.0
    idle_timeout: float = IDLE_TIMEOUT


class ReplicaObserver(Protocol):
    """What a watch reports to."""

    def replicas_listed(self, service: str, replicas: list[Replica]) -> None:
        """All the running replicas of a service, after every listing."""

    def replica_stopping(self, service: str, container_id: str, reason: str) -> None:
        """The container is told to stop; it still serves."""

    def replica_gone(self, service: str, key: Key, reason: str) -> None:
        """The address is not this replica's any more."""

    def engine_lost(self, reason: str) -> None:
        """The engine cannot be followed; reported once, until it is back."""

    def engine_back(self) -> None:
        """The engine can be followed again."""


@dataclass(slots=True)
class Watch:
    """Reports the running replicas of `services` to its observer until cancelled; `clock` gives epoch seconds."""

    engine: Engine
    project: str
    services: Collection[str]
    observer: ReplicaObserver
    timing: WatchTiming = field(default_factory=WatchTiming)
    clock: Callable[[], float] = time.time

    _hint: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _known: dict[str, tuple[str, Replica]] = field(init=False, default_factory=dict)  # with the service, by container
    _listed: dict[Key, float] = field(init=False, default_factory=dict)  # when each was first listed
    _gone: set[Key] = field(init=False, default_factory=set)  # a list that was made before may still hold them
    # Kills of unknown containers
    _early: deque[Event] = field(init=False, default_factory=lambda: deque(maxlen=_EARLY))
    _heard: int | None = field(init=False, default=None)  # when the last event was, in the engine's epoch seconds
    _backoff: float = field(init=False, default=0.0)  # before the next attempt; 0 while all is well

    async def run(self) -> NoReturn:
        """Follow the replicas until cancelled."""
        while True:
            try:
                with await self.engine.events(self._heard, self.timing.idle_timeout) as events:
                    await self._follow(events)
            except* ComposectlError as failures:
                if not self._backoff:
                    self.observer.engine_lost(str(failures.exceptions[0]))
                self._backoff = min(self._backoff * 2 or self.timing.first_backoff, self.timing.longest_backoff)
            await asyncio.sleep(self._backoff)

    # Private

    async def _follow(self, events: AsyncIterator[Event]) -> None:
        async with asyncio.TaskGroup() as group:
            listing = group.create_task(self._keep_listing())
            async for event in events:
                self._hear(event)
            listing.cancel()

    def _hear(self, event: Event) -> None:
        self._heard = event.get("time", self._heard)
        if not concerns(event, self.project):
            return
        self._hint.set()
        if is_kill(event):
            self._report_stopping(event)
        service, replica = self._known.get(container_of(event), ("", None))
        # Its address may be another container's in no time: too soon to list first.
        if replica and (reason := gone_reason(event, replica, self._listed[replica.key])):
            self._gone.add(replica.key)
            self.observer.replica_gone(service, replica.key, reason)

    def _report_stopping(self, kill: Event) -> None:
        service, replica = self._known.get(container_of(kill), ("", None))
        if replica is None:
            self._early.append(kill)
        elif ends(kill, replica):
            self.observer.replica_stopping(service, replica.id, "its container is told to stop")

    async def _keep_listing(self) -> NoReturn:
        while True:
            self._hint.clear()
            await self._list()
            with suppress(TimeoutError):
                async with asyncio.timeout(self.timing.relist):
                    await self._hint.wait()
                    await asyncio.sleep(self.timing.debounce)

    async def _list(self) -> None:
        found = await self.engine.replicas(self.project, self.services)
        if self._backoff:
            self._backoff = 0.0
            self.observer.engine_back()
        for service, replicas in found.items():
            self.observer.replicas_listed(service, [replica for replica in replicas if replica.key not in self._gone])
        now = self.clock()
        self._known = {replica.id: (service, replica) for service, replicas in found.items() for replica in replicas}
        self._listed = {replica.key: self._listed.get(replica.key, now) for _, replica in self._known.values()}
        self._gone &= self._listed.keys()
        early, self._early = self._early, deque(maxlen=_EARLY)
        for kill in early:
            self._report_stopping(kill)
