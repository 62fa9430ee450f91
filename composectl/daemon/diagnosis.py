"""Finds out why replicas are not ready: it looks at their containers while some are not, and seldom otherwise."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import NoReturn

from composectl import errors
from composectl.balance.waiting import RUNNING, Condition, Waiting, explain_container, waits
from composectl.daemon.service import BalancedService
from composectl.orchestrator.base import Orchestrator

_INTERVAL, _LONGEST_INTERVAL = 1.0, 3.0  # seconds between two looks while replicas are not ready
_CALM_INTERVAL = 10.0  # while all are
_TIME_SHARE = 0.25  # of the time for looks, up to the longest interval: the engine has other work
_SUSPICION = 15.0  # seconds for which a container that runs again may crash again


class Diagnosis:
    """What the last look told of the containers that are not well; `hint`: the project's containers have changed."""

    def __init__(self, orchestrator: Orchestrator, services: Mapping[str, BalancedService]) -> None:
        self._orchestrator = orchestrator
        self._services = services
        self._conditions: list[Condition] = []
        self._is_stale = True
        self._exit_codes: dict[str, int] = {}  # of the last run that ended, by id
        self._crashed: dict[str, float] = {}  # when a container beside the balanced ones was last found so, by id

    def waiting(self, service: str) -> tuple[Waiting, ...]:
        """Why replicas of this balanced service are not ready."""
        conditions = (condition for condition in self._conditions if condition.service == service)
        return self._services[service].waiting(self._orchestrator.desired[service], conditions)

    def reason(self, service: str, container_id: str) -> str:
        """Why this container of a balanced service is not ready; "" where nothing is known."""
        told = {waiting.id: waiting for waiting in self.waiting(service)}
        for condition in self._conditions:
            if condition.id == container_id:
                return told.get(container_id[:12], explain_container(condition)).sentence
        return ""

    @property
    def others(self) -> tuple[Waiting, ...]:
        """The containers of the other services that have crashed, or report that they are not well."""
        others = [condition for condition in self._conditions if condition.service not in self._services]
        return tuple(map(explain_container, sorted(others, key=lambda condition: condition.name)))

    def hint(self) -> None:
        """Look soon."""
        self._is_stale = True

    async def watch(self) -> NoReturn:
        """Look again and again, until cancelled."""
        looked_at, pause = float("-inf"), _INTERVAL
        while True:
            now = time.monotonic()
            calm = self._is_complete and not self._is_stale
            if now - looked_at >= (_CALM_INTERVAL if calm else pause):
                await self.look()
                looked_at = time.monotonic()
                pause = min(max(_INTERVAL, (looked_at - now) / _TIME_SHARE), _LONGEST_INTERVAL)
            await asyncio.sleep(_INTERVAL)

    async def look(self) -> None:
        """Look now; an engine that does not answer tells nothing new."""
        well = {
            backend.replica.id
            for service in self._services.values()
            for backend in service.pool.backends
            if not waits(backend)
        }
        self._is_stale = False
        with suppress(errors.ComposectlError):
            found = await self._orchestrator.conditions(well, self._crashed.keys())
            self._conditions = list(self._remembered(found))

    # Private

    @property
    def _is_complete(self) -> bool:
        for name, service in self._services.items():
            backends = service.pool.backends
            if len(backends) < self._orchestrator.desired[name] or any(map(waits, backends)):
                return False
        return True

    def _remembered(self, found: list[Condition]) -> list[Condition]:
        """With the exit codes of earlier runs; without other containers that have run for a while."""
        now = time.monotonic()
        self._exit_codes = {
            condition.id: code
            for condition in found
            if (code := condition.exit_code if condition.exit_code is not None else self._exit_codes.get(condition.id))
            is not None
        }
        kept = []
        for condition in found:
            if condition.service not in self._services:
                if condition.state != RUNNING or condition.health == "unhealthy":
                    self._crashed[condition.id] = now
                elif now - self._crashed.setdefault(condition.id, now) > _SUSPICION:
                    continue
            kept.append(replace(condition, exit_code=self._exit_codes.get(condition.id)))
        self._crashed = {id_: self._crashed[id_] for id_ in self._crashed.keys() & {each.id for each in kept}}
        return kept
