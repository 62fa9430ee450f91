"""The Docker Engine API, awaited: the only place that knows the SDK."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

from composectl import errors
from composectl.balance.backend import Replica
from composectl.engine.containers import (
    CONTAINER_ADDRESS,
    PROJECT,
    Addressing,
    ContainerSpec,
    ExitedContainer,
    PortOwner,
    SelfContainer,
    Version,
    bridge_addresses,
    isolated_reason,
    parse_container,
    parse_container_spec,
    parse_engine_version,
    parse_exited,
    parse_port_owner,
    parse_self_container,
    replica_filter,
    service_of,
)
from composectl.engine.endpoint import Endpoint
from composectl.engine.errors import cause, translate_errors
from composectl.engine.events import FILTERS, EngineEvents, Event
from composectl.sanitize import output_lines

if TYPE_CHECKING:
    import docker
    import requests

TIMEOUT = 10
IDLE_TIMEOUT = 30.0
_SLOW_TIMEOUT = 60  # a busy machine takes its time to stop and to remove
_T = TypeVar("_T")


class Engine:
    """One engine. Every method raises ComposectlError where it does not answer, or answers that it cannot.

    `addressing` tells by which addresses its replicas are known.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        client: docker.APIClient,
        slow_client: docker.APIClient,
        addressing: Addressing = CONTAINER_ADDRESS,
    ) -> None:
        self.endpoint = endpoint
        self.addressing = addressing
        self._client = client
        self._slow_client = slow_client

    @classmethod
    async def connect(cls, endpoint: Endpoint, timeout: int = TIMEOUT) -> Engine:
        """Talk to the engine, in the newest version of the API that it speaks (GET /version).

        Raises ComposectlError where only Compose gets through.
        """
        if endpoint.ssh:
            raise errors.ComposectlError(
                f"cannot balance over ssh: the containers of the engine at {endpoint.url} are not reachable from here",
                f"run composectl there: `ssh {endpoint.ssh} composectl ...`; Compose's own commands work over ssh",
            )
        client = await _call(endpoint, lambda: _open(endpoint, timeout))
        return cls(endpoint, client, await _call(endpoint, lambda: _open(endpoint, _SLOW_TIMEOUT, client.api_version)))

    def with_addressing(self, addressing: Addressing) -> Engine:
        """The same engine over the same connections, whose replicas are known by other addresses."""
        return Engine(self.endpoint, self._client, self._slow_client, addressing)

    async def replicas(self, project: str, services: Collection[str]) -> dict[str, list[Replica]]:
        """The running replicas of each of `services`, which may be none (GET /containers/json, then .../{id}/json)."""
        return await self._call(partial(self._replicas, project, services))

    async def exited(self, project: str, service: str) -> list[ExitedContainer]:
        """The containers of the service that ended, could not be started, or are about to be started again."""
        inspected = await self._call(lambda: list(self._inspect(project, (service,), every=True)))
        return [ended for _, inspect in inspected if (ended := parse_exited(inspect))]

    async def containers(self, project: str, service: str) -> dict[str, ContainerSpec]:
        """All containers of the service, in whatever state, by their ids."""
        inspected = await self._call(lambda: list(self._inspect(project, (service,), every=True)))
        return {inspect["Id"]: parse_container_spec(inspect) for _, inspect in inspected}

    async def scales(self) -> dict[str, dict[str, int]]:
        """How many containers, in whatever state, there are of each service of each project (GET /containers/json)."""
        listed = await self._call(lambda: self._client.containers(all=True, filters={"label": [PROJECT]}))
        scales: dict[str, dict[str, int]] = {}
        for labels in (one["Labels"] for one in listed):
            if service := service_of(labels):
                services = scales.setdefault(labels[PROJECT], {})
                services[service] = services.get(service, 0) + 1
        return scales

    async def self_container(self, id: str) -> SelfContainer | None:  # noqa: A002 - Docker's word
        """The container with this ID, if the engine knows it (GET /containers/{id}/json)."""
        return await self._call(partial(self._self_container, id)) if id else None

    async def version(self) -> Version:
        """Which engine it is, and what it speaks (GET /version)."""
        answer = await self._call(partial(self._client.version, api_version=False))
        return parse_engine_version(answer, self._client.api_version)

    async def bridge_addresses(self) -> list[str]:
        """The engine's own IPv4 addresses on its bridges (GET /networks)."""
        return bridge_addresses(await self._call(self._client.networks))

    async def isolated_reason(self) -> str:
        """Why its networks are apart from those of this machine, if it knows of that (GET /info)."""
        return isolated_reason(await self._call(self._client.info))

    async def image_id(self, name: str) -> str:
        """The id of the image that has this name now; "" where there is none (GET /images/{name}/json)."""
        return await self._call(partial(self._image_id, name))

    async def port_owner(self, port: int) -> PortOwner | None:
        """The running container that publishes this TCP port of the host (GET /containers/json)."""
        listed = await self._call(self._client.containers)
        return next(filter(None, (parse_port_owner(one, port) for one in listed)), None)

    async def last_lines(self, id: str, count: int) -> list[str]:  # noqa: A002
        """The last lines that the container wrote, safe to show (GET /containers/{id}/logs)."""
        return output_lines(await self._call(lambda: self._client.logs(id, tail=count)))

    async def stop(self, id: str, grace_period: float) -> None:  # noqa: A002
        """Stop the container, by force after `grace_period` seconds, if it is there (POST .../{id}/stop)."""
        await self._call(lambda: _unless_gone(partial(self._slow_client.stop, id, math.ceil(grace_period))))

    async def remove(self, id: str) -> None:  # noqa: A002
        """Remove the stopped container, if it is there and not being removed (DELETE /containers/{id})."""
        await self._call(lambda: _unless_gone(partial(self._slow_client.remove_container, id)))

    async def events(self, since: int | None = None, idle_timeout: float = IDLE_TIMEOUT) -> EngineEvents:
        """Subscribe to what happens, from the epoch second `since` on (GET /events).

        The subscription ends after `idle_timeout` seconds without an event, as a half-open connection looks the same.
        """
        answer = await self._call(partial(self._subscribe, since, idle_timeout))
        return EngineEvents(self._read(answer), partial(_close_response, answer))

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._client.close()
        self._slow_client.close()

    # Private

    async def _call(self, work: Callable[[], _T]) -> _T:
        return await _call(self.endpoint, work)

    def _replicas(self, project: str, services: Collection[str]) -> dict[str, list[Replica]]:
        found: dict[str, list[Replica]] = {service: [] for service in services}
        for service, inspect in self._inspect(project, services):
            if replica := parse_container(inspect, self.addressing):
                found[service].append(replica)
        return found

    def _inspect(
        self, project: str, services: Collection[str], every: bool = False
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        from docker.errors import NotFound

        for listed in self._client.containers(all=every, filters=replica_filter(project)):
            service = service_of(listed["Labels"])
            if service in services:
                with suppress(NotFound):  # removed since it was listed
                    yield service, self._client.inspect_container(listed["Id"])

    def _self_container(self, id: str) -> SelfContainer | None:  # noqa: A002
        from docker.errors import NotFound

        try:
            return parse_self_container(self._client.inspect_container(id))
        except NotFound:
            return None

    def _image_id(self, name: str) -> str:
        from docker.errors import NotFound

        try:
            return str(self._client.inspect_image(name)["Id"])  # type: ignore[no-untyped-call]
        except NotFound:
            return ""

    def _subscribe(self, since: int | None, idle_timeout: float) -> requests.Response:
        # The SDK's own `events` waits without a timeout, for the connection and for each event.
        answer = self._client.get(
            f"{self._client.base_url}/v{self._client.api_version}/events",
            params={"filters": json.dumps(FILTERS), "since": since},
            stream=True,
            timeout=(self._client.timeout, idle_timeout),
        )
        if not answer.ok:
            raise errors.engine_failed(self.endpoint.url, answer.text.strip())
        return answer

    def _read(self, answer: requests.Response) -> Iterator[Event]:
        try:
            with answer:
                yield from map(json.loads, answer.iter_lines())
        except (OSError, ValueError) as error:
            if cause(error, TimeoutError):
                return
        raise errors.ComposectlError(f"lost the event stream of the Docker Engine at {self.endpoint.url}")


async def _call(endpoint: Endpoint, work: Callable[[], _T]) -> _T:
    def call() -> _T:
        with translate_errors(endpoint):
            return work()

    return await in_thread(call)


def _open(endpoint: Endpoint, timeout: int, version: str = "auto") -> docker.APIClient:
    from composectl.engine.session import Session

    return Session(endpoint, timeout, version)


def _unless_gone(work: Callable[[], None]) -> None:
    from docker.errors import APIError, NotFound

    try:
        work()
    except NotFound:
        pass
    except APIError as error:
        if "already in progress" not in str(error):
            raise


def _close_response(answer: requests.Response) -> None:
    """Wake the thread that reads the answer; an answer that has ended has no socket any more."""
    from docker.types import CancellableStream

    with suppress(AttributeError, OSError):
        CancellableStream(iter(()), answer).close()


async def in_thread(work: Callable[[], _T]) -> _T:
    """The result of `work()`, or what it raises; a caller that is cancelled does not wait for it.

    `asyncio.to_thread` would not do: it has six threads on two cores, so that a few replicas that take their grace
    period to stop would delay every listing, and the process waits for them before it ends.
    """
    outcome: Future[_T] = Future()
    Thread(target=_settle, args=(outcome, work), daemon=True).start()
    return await asyncio.wrap_future(outcome)


# Private


def _settle(outcome: Future[_T], work: Callable[[], _T]) -> None:
    if not outcome.set_running_or_notify_cancel():
        return
    try:
        outcome.set_result(work())
    except Exception as error:
        outcome.set_exception(error)
