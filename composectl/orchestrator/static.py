"""Static backends: they are reported once, and nothing adds to or removes them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from composectl.balance.backend import Replica
from composectl.errors import ComposectlError, plural
from composectl.orchestrator.base import Orchestrator

if TYPE_CHECKING:
    from composectl.engine.watch import ReplicaObserver


class StaticOrchestrator(Orchestrator):
    def __init__(self, service: str, replicas: Sequence[Replica], refusal: ComposectlError) -> None:
        super().__init__({service: len(replicas)}, refusal)
        self._service = service
        self._replicas = list(replicas)

    def describe(self, service: str) -> str:
        return plural(len(self._replicas), "backend")

    async def watch(self, observer: ReplicaObserver) -> NoReturn:
        observer.replicas_listed(self._service, self._replicas)
        while True:
            await asyncio.Event().wait()
