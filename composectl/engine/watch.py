"""Follows the replicas of a project: subscribe first, then list; an event is only a hint to list again."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NoReturn

from composectl.balance.backend import Key, Replica
from composectl.engine.client import IDLE_TIMEOUT, Engine
from composectl.engine.events import EngineEvents, Event, concerns, container_of, ends, has_left, is_kill, is_over
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


@dataclass(slots=True)
class Watch:
    """Keeps telling who runs, until it is cancelled; it never gives up.

    `observe` gets all the running replicas of a service, for each of `services`, after every listing; `leave` the
    id of a container at the moment that it is told to stop, and why; `vanish` the key of a replica at the moment that
    its address is its own no more, and why; `lost` why the engine cannot be followed, once, and `back` is called when
    it can be again. `clock` gives epoch seconds.
    """

    engine: Engine
    project: str
    services: Collection[str]
    observe: Callable[[str, list[Replica]], None]
    leave: Callable[[str, str], None]
    vanish: Callable[[Key, str], None]
    lost: Callable[[str], None]
    back: Callable[[], None]
    timing: WatchTiming = field(default_factory=WatchTiming)
    clock: Callable[[], float] = time.time

    _hint: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _known: dict[str, Replica] = field(init=False, default_factory=dict)
    _listed: dict[Key, float] = field(init=False, default_factory=dict)  # since when each is known
    _over: set[Key] = field(init=False, default_factory=set)  # vanished, and perhaps in a list that was made before
    _early: deque[Event] = field(init=False, default_factory=lambda: deque(maxlen=_EARLY))  # kills of the not yet known
    _heard: int | None = field(init=False, default=None)  # when the last event was, in the engine's epoch seconds
    _backoff: float = field(init=False, default=0.0)  # before the next attempt; 0 while all is well

    async def run(self) -> NoReturn:
        """Follow the replicas until cancelled."""
        while True:
            try:
                with await self.engine.events(self._heard, self.timing.idle_timeout) as events:
                    await self._follow(events)
            except* ComposectlError as failures:
                self._lose(failures.exceptions[0])
            await asyncio.sleep(self._backoff)

    # Private

    async def _follow(self, events: EngineEvents) -> None:
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
            self._heed(event)
        if replica := self._known.get(container_of(event)):
            self._note_end(event, replica)

    def _note_end(self, event: Event, replica: Replica) -> None:
        """Its address may be another container's in no time: too soon to list first."""
        if is_over(event, replica):
            self._end(replica, "its container stopped")
        elif has_left(event, replica, self._listed[replica.key]):
            self._end(replica, "it left its network")

    def _end(self, replica: Replica, why: str) -> None:
        self._over.add(replica.key)
        self.vanish(replica.key, why)

    def _heed(self, kill: Event) -> None:
        replica = self._known.get(container_of(kill))
        if replica is None:
            self._early.append(kill)
        elif ends(kill, replica):
            self.leave(replica.id, "its container is told to stop")

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
        self._regain()
        for service, replicas in found.items():
            self.observe(service, [replica for replica in replicas if replica.key not in self._over])
        self._know([replica for replicas in found.values() for replica in replicas])
        early, self._early = self._early, deque(maxlen=_EARLY)
        for kill in early:
            self._heed(kill)

    def _know(self, found: list[Replica]) -> None:
        now = self.clock()
        self._known = {replica.id: replica for replica in found}
        self._listed = {replica.key: self._listed.get(replica.key, now) for replica in found}
        self._over &= self._listed.keys()

    def _lose(self, why: Exception) -> None:
        if not self._backoff:
            self.lost(str(why))
        self._backoff = min(self._backoff * 2 or self.timing.first_backoff, self.timing.longest_backoff)

    def _regain(self) -> None:
        if self._backoff:
            self._backoff = 0.0
            self.back()
