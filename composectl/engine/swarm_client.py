"""An engine that is a manager of a swarm: what it tells of nodes, services and tasks, and how it changes services."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import Self

from composectl.engine.client import Engine
from composectl.engine.endpoint import Endpoint
from composectl.engine.swarm import STACK, SwarmNode, SwarmService, SwarmTask, parse_node, parse_service, parse_task

TIMEOUT = 5
"""Seconds for an answer: managers without a leader give none."""
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class SwarmInfo:
    """`node_id`: that of this engine, "" where it is in no swarm. `managers`: their addresses, as `host:port`."""

    node_id: str
    is_manager: bool
    managers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class SwarmEngine(Engine):
    """Every method raises ComposectlError where the managers do not answer in time, or answer that they cannot."""

    @classmethod
    async def connect(cls, endpoint: Endpoint, timeout: int = TIMEOUT) -> Self:
        return await super(SwarmEngine, cls).connect(endpoint, timeout)

    async def swarm_info(self) -> SwarmInfo:
        """What it is in its swarm (GET /info)."""
        found = (await self._call(self._client.info)).get("Swarm") or {}
        managers = tuple(manager["Addr"] for manager in found.get("RemoteManagers") or ())
        return SwarmInfo(found.get("NodeID") or "", bool(found.get("ControlAvailable")), managers)

    async def nodes(self) -> dict[str, SwarmNode]:
        """All nodes, by id (GET /nodes)."""
        return {answer["ID"]: parse_node(answer) for answer in await self._call(self._client.nodes)}

    async def stack_services(self, stack: str) -> list[SwarmService]:
        """The services of a stack (GET /services)."""
        filters = {"label": [f"{STACK}={stack}"]}
        return list(map(parse_service, await self._call(partial(self._client.services, filters=filters))))

    async def tasks(self, filters: dict[str, Collection[str]]) -> list[SwarmTask]:
        """The tasks for which each filter has one of its values (GET /tasks)."""
        texts = {name: list(values) for name, values in filters.items()}
        return list(map(parse_task, await self._call(partial(self._client.tasks, filters=texts))))
