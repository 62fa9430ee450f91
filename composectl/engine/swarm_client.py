"""An engine that is a manager of a swarm: what it tells of nodes, services and tasks, and how it changes services."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, TypeVar

from composectl import errors
from composectl.engine.client import IDLE_TIMEOUT, Engine, EventStream
from composectl.engine.endpoint import Endpoint
from composectl.engine.errors import cause
from composectl.engine.output import split_streams
from composectl.engine.swarm import (
    STACK,
    SwarmInfo,
    SwarmNode,
    SwarmService,
    SwarmTask,
    parse_info,
    parse_node,
    parse_service,
    parse_task,
)
from composectl.sanitize import output_lines

TIMEOUT = 5
"""Seconds for an answer: managers without a leader give none."""
_ATTEMPTS = 10
_FILTERS = {"type": ["service", "node"]}
_OUT_OF_SEQUENCE = "out of sequence"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, eq=False)
class SwarmEngine(Engine):
    """Every method raises ComposectlError where the managers do not answer in time, or answer that they cannot."""

    @classmethod
    async def connect(cls, endpoint: Endpoint, timeout: int = TIMEOUT) -> Self:
        return await super(SwarmEngine, cls).connect(endpoint, timeout)

    async def swarm_info(self) -> SwarmInfo:
        """What it is in its swarm (GET /info)."""
        return parse_info(await self._call(self._client.info))

    async def nodes(self) -> dict[str, SwarmNode]:
        """All nodes, by id (GET /nodes)."""
        nodes = map(parse_node, await self._call(self._client.nodes))
        return {node.id: node for node in nodes}

    async def stack_services(self, stack: str) -> list[SwarmService]:
        """The services of a stack (GET /services)."""
        filters = {"label": [f"{STACK}={stack}"]}
        return list(map(parse_service, await self._call(partial(self._client.services, filters=filters))))

    async def service(self, name: str) -> SwarmService | None:
        """The service with this name, if there is one (GET /services/{name})."""
        answer = await self._call(lambda: _unless_unknown(partial(self._client.inspect_service, name)))
        return parse_service(answer) if answer else None

    async def tasks(self, **filters: Collection[str]) -> list[SwarmTask]:
        """The tasks for which each filter has one of its values; none where a service is unknown (GET /tasks)."""
        texts = {name.replace("_", "-"): list(values) for name, values in filters.items()}
        answer = await self._call(lambda: _unless_unknown(partial(self._client.tasks, filters=texts)))
        return list(map(parse_task, answer or ()))

    async def change(self, name: str, edit: Callable[[SwarmService], Mapping[str, Any]]) -> SwarmService:
        """Give the service the specification that `edit` makes of it as it is (POST /services/{id}/update).

        Another change at the same time is read first. Returns the service before. Raises what `edit` raises.
        """
        for attempts_left in reversed(range(_ATTEMPTS)):
            service = await self.existing(name)
            try:
                await self._call(partial(self._update, service, edit(service)))
            except errors.ComposectlError as error:
                if _OUT_OF_SEQUENCE not in error.message or not attempts_left:
                    raise
            else:
                break
        return service

    async def existing(self, name: str) -> SwarmService:
        """The service with this name. Raises `no_swarm_service` where there is none."""
        if (service := await self.service(name)) is None:
            raise errors.no_swarm_service(name)
        return service

    async def task_lines(self, id: str, count: int) -> list[str]:  # noqa: A002 - Docker's word
        """The last lines that the task wrote, safe to show; none where they are unknown (GET /tasks/{id}/logs)."""
        return output_lines(await self._call(partial(self._logs, f"/tasks/{id}", tail=count)))

    async def service_output(self, name: str, count: int) -> bytes:
        """The last lines of all tasks of a service, with their moments and tasks (GET /services/{name}/logs)."""
        return await self._call(partial(self._logs, f"/services/{name}", tail=count, timestamps=1, details=1))

    async def swarm_events(self, idle_timeout: float = IDLE_TIMEOUT) -> EventStream:
        """Subscribe to what happens to services and nodes; tasks have no events (GET /events)."""
        return await self.events(None, idle_timeout, _FILTERS)

    # Private

    async def _call(self, work: Callable[[], _T]) -> _T:
        try:
            return await Engine._call(self, work)
        except errors.ComposectlError as error:
            raise self._in_words_of_a_swarm(error) from error

    def _in_words_of_a_swarm(self, error: errors.ComposectlError) -> errors.ComposectlError:
        shown = self.endpoint.shown
        if "not a swarm manager" in error.message:
            return errors.no_manager(shown, in_swarm="Worker nodes" in error.message)
        if "does not have a leader" in error.message:
            return errors.no_leader(shown, "the swarm has no leader")
        if cause(error, TimeoutError) and not cause(error, ConnectionError):
            return errors.no_leader(shown, f"no answer within {self._client.timeout} s")
        return error

    def _update(self, service: SwarmService, spec: Mapping[str, Any]) -> None:
        self._request("POST", f"/services/{service.id}/update", params={"version": service.version}, json=spec)

    def _logs(self, path: str, **params: int) -> bytes:
        """Both streams of a task, or of all tasks of a service; empty where there is none."""
        params |= {"stdout": 1, "stderr": 1}
        answer = _unless_unknown(partial(self._request, "GET", f"{path}/logs", params=params))
        return split_streams(answer) if answer else b""

    def _request(self, method: str, path: str, **options: Any) -> bytes:
        """What the SDK has no method for."""
        import requests
        from docker.errors import create_api_error_from_http_exception

        url = f"{self._client.base_url}/v{self._client.api_version}{path}"
        answer = self._client.request(method, url, timeout=self._client.timeout, **options)
        try:
            answer.raise_for_status()
        except requests.HTTPError as error:
            create_api_error_from_http_exception(error)
        return answer.content


# Private


def _unless_unknown(work: Callable[[], _T]) -> _T | None:
    """None where the managers do not know the service or task that `work` is about."""
    from docker.errors import NotFound

    try:
        return work()
    except NotFound:
        return None
