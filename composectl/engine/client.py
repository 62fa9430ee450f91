"""The Docker Engine API, awaited: the only place that knows the SDK."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Any, Self, TypeVar

from composectl import errors
from composectl.balance.backend import Replica
from composectl.balance.waiting import RUNNING, Condition
from composectl.engine.conditions import READY_SECONDS, ails, may_ail, parse_condition, ready_seconds
from composectl.engine.containers import (
    CONFIG_HASH,
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
    number_of,
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
from composectl.engine.events import FILTERS, Event, Filters, stream_events
from composectl.engine.listening import listening
from composectl.engine.output import OutputLine, new_lines, seconds_of
from composectl.engine.usage import Usage, parse_usage
from composectl.sanitize import output_lines

if TYPE_CHECKING:
    import docker
    import requests

TIMEOUT = 10
IDLE_TIMEOUT = 30.0
_LAST_LINES = 10
_ONE_SHOT_SINCE = "1.41"  # the API without which a look at what a container uses takes two seconds
_SLOW_TIMEOUT = 60  # a busy machine takes its time to stop and to remove
_EXEC_POLL_INTERVAL = 0.1
EventStream = AbstractContextManager[AsyncIterator[Event]]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, eq=False)
class Engine:
    """One engine. Every method raises ComposectlError where it does not answer, or answers that it cannot."""

    endpoint: Endpoint
    _client: docker.APIClient
    _slow_client: docker.APIClient
    addressing: Addressing = CONTAINER_ADDRESS

    @classmethod
    async def connect(cls, endpoint: Endpoint, timeout: int = TIMEOUT) -> Self:
        """Talk to the engine, in the newest version of the API that it speaks (GET /version)."""
        if endpoint.ssh:
            raise errors.ComposectlError(
                f"cannot balance over ssh: the containers of the engine at {endpoint.shown} are not reachable "
                "from here",
                f"run composectl there: `ssh {endpoint.ssh} composectl ...`; Compose's own commands work over ssh",
            )

        def open_sessions() -> tuple[docker.APIClient, docker.APIClient]:
            from composectl.engine.session import Session

            session = Session(endpoint, timeout, "auto")
            return session, Session(endpoint, _SLOW_TIMEOUT, session.api_version)

        return cls(endpoint, *await in_thread(translate_errors(endpoint)(open_sessions)))

    async def replicas(self, project: str, services: Collection[str]) -> dict[str, list[Replica]]:
        """The running replicas of each of `services`, which may be none (GET /containers/json, then .../{id}/json)."""
        return await self._inspect(project, services, partial(parse_container, addressing=self.addressing))

    async def exited(self, project: str, service: str) -> list[ExitedContainer]:
        """The containers of the service that ended, could not be started, or are about to be started again."""
        return (await self._inspect(project, (service,), parse_exited, every=True))[service]

    async def containers(self, project: str, service: str) -> list[ContainerSpec]:
        """All containers of the service, in whatever state."""
        return (await self._inspect(project, (service,), parse_container_spec, every=True))[service]

    async def config_hashes(self, project: str, service: str) -> dict[str, str]:
        """The hash that Compose noted of each container of the service, in whatever state (GET /containers/json)."""
        listed = await self._call(lambda: self._client.containers(all=True, filters=replica_filter(project)))
        of = {container["Id"]: container["Labels"] for container in listed}
        return {id: labels.get(CONFIG_HASH, "") for id, labels in of.items() if service_of(labels) == service}  # noqa: A001

    async def ready_seconds(self, project: str, service: str) -> float:
        """How long the replicas of the service may take to be ready, as their HEALTHCHECK says."""
        return max(
            (await self._inspect(project, (service,), ready_seconds, every=True))[service], default=READY_SECONDS
        )

    async def conditions(
        self, project: str, services: Collection[str], well: Collection[str], suspects: Collection[str] = ()
    ) -> list[Condition]:
        """Of all containers of `services` but those with the ids in `well`; of other services, those that are not well.

        `suspects`: containers of other services that are told of, too.
        """

        def look() -> list[Condition]:
            found = []
            for listed in self._client.containers(all=True, filters=replica_filter(project)):
                id_, service = listed["Id"], service_of(listed["Labels"])
                if service and id_ not in well and (service in services or id_ in suspects or may_ail(listed)):
                    condition = self._condition(id_)
                    if condition and (service in services or id_ in suspects or ails(condition)):
                        found.append(condition)
            return found

        return await self._call(look)

    async def running(self, project: str) -> dict[str, str]:
        """The services of all containers of the project that run, by id."""
        listed = await self._call(lambda: self._client.containers(filters=replica_filter(project)))
        return {container["Id"]: service_of(container["Labels"]) for container in listed}

    async def new_output(
        self, project: str, seen: dict[str, str], count: int, service: str = "", number: int | None = None
    ) -> list[OutputLine]:
        """What the project's containers have printed since `seen`, moments by id, which is updated.

        Of each container these are the last `count` lines at most. `service` and `number`: of these alone.
        """

        def read() -> list[OutputLine]:
            lines: list[OutputLine] = []
            for listed in self._client.containers(all=True, filters=replica_filter(project)):
                id_, of, number_of_it = listed["Id"], service_of(listed["Labels"]), number_of(listed["Labels"])
                if (service and of != service) or number not in (None, number_of_it):
                    continue
                after = seen.get(id_, "")
                output = self._output(id_, count, timestamps=True, since=seconds_of(after))
                if new := new_lines(output, of, number_of_it, after, count):
                    seen[id_] = new[-1].at
                    lines += new
            return sorted(lines, key=lambda line: line.at)

        return await self._call(read)

    async def created(self, project: str) -> dict[str, int]:
        """How many containers that were never started there are of each service (GET /containers/json)."""
        filters = replica_filter(project) | {"status": ["created"]}
        listed = await self._call(lambda: self._client.containers(all=True, filters=filters))
        return dict(Counter(filter(None, (service_of(container["Labels"]) for container in listed))))

    async def scales(self) -> dict[str, dict[str, int]]:
        """How many containers, in whatever state, there are of each service of each project (GET /containers/json)."""
        listed = await self._call(lambda: self._client.containers(all=True, filters={"label": [PROJECT]}))
        scales: dict[str, dict[str, int]] = {}
        for labels in (container["Labels"] for container in listed):
            if service := service_of(labels):
                services = scales.setdefault(labels[PROJECT], {})
                services[service] = services.get(service, 0) + 1
        return scales

    async def self_container(self, id: str) -> SelfContainer | None:  # noqa: A002 - Docker's word
        """The container with this ID, if the engine knows it (GET /containers/{id}/json)."""
        inspect = await self._call(lambda: _unless_gone(partial(self._client.inspect_container, id))) if id else None
        return parse_self_container(inspect) if inspect else None

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
        image = await self._call(lambda: _unless_gone(partial(self._client.inspect_image, name)))
        return image["Id"] if image else ""

    async def port_owner(self, port: int) -> PortOwner | None:
        """The running container that publishes this TCP port of the host (GET /containers/json)."""
        listed = await self._call(self._client.containers)
        return next(filter(None, (parse_port_owner(container, port) for container in listed)), None)

    async def last_lines(self, id: str, count: int) -> list[str]:  # noqa: A002
        """The last lines that the container wrote, safe to show (GET /containers/{id}/logs)."""
        return output_lines(await self._call(lambda: self._output(id, count)))

    async def stop(self, id: str, grace_period: float) -> None:  # noqa: A002
        """Stop the container, by force after `grace_period` seconds, if it is there (POST .../{id}/stop)."""
        await self._call(lambda: _unless_gone(partial(self._slow_client.stop, id, math.ceil(grace_period))))

    async def usage(self, project: str, service: str) -> dict[str, Usage]:
        """What each running replica of the service uses, by id (GET /containers/{id}/stats)."""
        from docker.utils import version_lt

        one_shot = None if version_lt(self._client.api_version, _ONE_SHOT_SINCE) else True

        def look(inspect: dict[str, Any]) -> tuple[str, Usage] | None:
            read = partial(self._slow_client.stats, inspect["Id"], stream=False, one_shot=one_shot)
            stats = _unless_gone(read)
            return (inspect["Id"], parse_usage(inspect, stats)) if stats else None

        return dict((await self._inspect(project, (service,), look))[service])

    async def start(self, id: str) -> None:  # noqa: A002
        """Start the container, if it is there and does not run (POST .../{id}/start)."""
        await self._call(lambda: _unless_gone(partial(self._slow_client.start, id)))

    async def pause(self, id: str) -> None:  # noqa: A002
        """Freeze the processes of the container, if it is there (POST .../{id}/pause)."""
        await self._call(lambda: _unless_gone(partial(self._client.pause, id)))

    async def unpause(self, id: str) -> None:  # noqa: A002
        """Let them go on (POST .../{id}/unpause)."""
        await self._call(lambda: _unless_gone(partial(self._client.unpause, id)))

    async def execute(
        self,
        id: str,  # noqa: A002
        command: Sequence[str],
        *,
        user: str = "",
        privileged: bool = False,
        working_dir: str = "",
        environment: Sequence[str] = (),
    ) -> int:
        """Run a command in the container to its end; its exit code (POST .../{id}/exec, then /exec/{id}/start)."""

        def run() -> int:
            exec_id = self._client.exec_create(
                id,
                list(command),
                user=user,
                privileged=privileged,
                workdir=working_dir or None,
                environment=list(environment),
            )["Id"]
            self._client.exec_start(exec_id, detach=True)
            while (state := self._client.exec_inspect(exec_id))["Running"]:
                time.sleep(_EXEC_POLL_INTERVAL)
            return int(state["ExitCode"] or 0)

        return await self._call(run)

    async def remove(self, id: str) -> None:  # noqa: A002
        """Remove the stopped container, if it is there and not being removed (DELETE /containers/{id})."""
        await self._call(lambda: _unless_gone(partial(self._slow_client.remove_container, id)))

    async def events(
        self, since: int | None = None, idle_timeout: float = IDLE_TIMEOUT, filters: Filters = FILTERS
    ) -> EventStream:
        """Subscribe to what happens, from the epoch second `since` on (GET /events).

        It ends after `idle_timeout` seconds without an event, as a half-open connection looks the same.
        """
        answer = await self._call(partial(self._subscribe, since, idle_timeout, filters))
        return stream_events(self._read(answer), partial(_close_response, answer))

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._client.close()
        self._slow_client.close()

    # Private

    async def _call(self, work: Callable[[], _T]) -> _T:
        return await in_thread(translate_errors(self.endpoint)(work))

    async def _inspect(
        self, project: str, services: Collection[str], parse: Callable[[dict[str, Any]], _T | None], every: bool = False
    ) -> dict[str, list[_T]]:
        """By service, what `parse` makes of each container: of those that run, or of `every` one."""

        def inspect() -> dict[str, list[_T]]:
            found: dict[str, list[_T]] = {service: [] for service in services}
            for listed in self._client.containers(all=every, filters=replica_filter(project)):
                service = service_of(listed["Labels"])
                if service in found:  # it may have been removed since it was listed
                    answer = _unless_gone(partial(self._client.inspect_container, listed["Id"]))
                    parsed = parse(answer) if answer else None
                    if parsed is not None:
                        found[service].append(parsed)
            return found

        return await self._call(inspect)

    def _condition(self, id_: str) -> Condition | None:
        """None where it has been removed."""
        inspect = _unless_gone(partial(self._client.inspect_container, id_))
        if inspect is None:
            return None
        state, networks = inspect["State"], inspect["NetworkSettings"].get("Networks") or {}
        found = None
        if state["Status"] == RUNNING:
            addresses = (place.get("IPAddress") for place in networks.values() if place)
            address = next(filter(None, addresses), "")
            found = listening(state.get("Pid") or 0, address) if address else None
        return parse_condition(inspect, output_lines(self._output(id_, _LAST_LINES)), found)

    def _output(self, id_: str, count: int, *, timestamps: bool = False, since: int = 0) -> bytes:
        """The end of its output since an epoch second; nothing where it is gone, or its logging driver keeps none."""
        from docker.errors import APIError

        try:
            output: bytes = self._client.logs(id_, tail=count, timestamps=timestamps, since=since or None)
        except APIError:
            return b""
        return output

    def _subscribe(self, since: int | None, idle_timeout: float, filters: Filters) -> requests.Response:
        # The SDK's own `events` waits without a timeout, for the connection and for each event.
        answer = self._client.get(
            f"{self._client.base_url}/v{self._client.api_version}/events",
            params={"filters": json.dumps(filters), "since": since},
            stream=True,
            timeout=(self._client.timeout, idle_timeout),
        )
        if not answer.ok:
            raise errors.engine_failed(self.endpoint.shown, answer.text.strip())
        return answer

    def _read(self, answer: requests.Response) -> Iterator[Event]:
        try:
            with answer:
                yield from map(json.loads, answer.iter_lines())
        except (OSError, ValueError) as error:
            if cause(error, TimeoutError):
                return
        raise errors.ComposectlError(f"lost the event stream of the Docker Engine at {self.endpoint.shown}")


async def in_thread(work: Callable[[], _T]) -> _T:
    """The result of `work()`, or what it raises; a caller that is cancelled does not wait for it.

    `asyncio.to_thread` would not do: it has six threads on two cores, so that a few replicas that take their grace
    period to stop would delay every listing, and the process waits for them before it ends.
    """
    outcome: Future[_T] = Future()

    def settle() -> None:
        if outcome.set_running_or_notify_cancel():
            try:
                outcome.set_result(work())
            except Exception as error:
                outcome.set_exception(error)

    Thread(target=settle, daemon=True).start()
    return await asyncio.wrap_future(outcome)


# Private


def _unless_gone(work: Callable[[], _T]) -> _T | None:
    """None where the engine does not know the object that `work` is about, or removes it already."""
    from docker.errors import APIError, NotFound

    try:
        return work()
    except APIError as error:
        if not isinstance(error, NotFound) and "already in progress" not in str(error):
            raise
        return None


def _close_response(answer: requests.Response) -> None:
    """Wake the thread that reads the answer; an answer that has ended has no socket any more."""
    from docker.types import CancellableStream

    with suppress(AttributeError, OSError):
        CancellableStream(iter(()), answer).close()
