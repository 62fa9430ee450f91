"""Compose on one machine: the engine that an invocation names, and the Compose that talks to it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import NoReturn

from composectl import errors
from composectl.balance.backend import Replica
from composectl.balance.waiting import Condition
from composectl.compose.argv import UpArguments
from composectl.compose.binary import api_variables, find_compose
from composectl.compose.client import ComposeClient, ComposeProject
from composectl.compose.deploy import pre_stop_hooks, update_config
from composectl.compose.options import Invocation
from composectl.compose.override import (
    PortOverrides,
    check_rendered_capacity,
    differs,
    merge,
    render,
    rendered_shared_data,
    without_published_ports,
)
from composectl.compose.ports import Port, any_free_port
from composectl.compose.project import Project
from composectl.compose.update_config import UpdateConfig
from composectl.engine.client import Engine
from composectl.engine.containers import PAUSED, RUNNING, Addressing, ContainerSpec, ExitedContainer
from composectl.engine.endpoint import Endpoint, child_environ, resolve_endpoint
from composectl.engine.output import OutputLine
from composectl.engine.usage import Usage, memory_of_machine
from composectl.engine.watch import ReplicaObserver, Watch
from composectl.orchestrator.addressing import ChosenAddressing, choose_addressing
from composectl.orchestrator.base import ForeignContainer, Orchestrator, Revision


def find_endpoint(invocation: Invocation) -> Endpoint:
    """Raises ComposectlError where the options and the environment name no engine."""
    return resolve_endpoint(invocation.host, invocation.context, invocation.environ)


def find_client(invocation: Invocation) -> ComposeClient:
    """Raises ComposectlError where there is no Compose, or no such engine."""
    environ = child_environ(invocation.environ, find_endpoint(invocation))
    return ComposeClient(find_compose(environ), invocation, environ)


async def with_known_api(client: ComposeClient) -> ComposeClient:
    """The client, restricted to a version of the engine's API that its Compose understands. Raises ComposectlError."""
    if not client.compose.is_v1:
        return client
    with closing(await Engine.connect(find_endpoint(client.invocation))) as engine:
        newest = (await engine.version()).newest
    return replace(client, environ={**api_variables(client.compose, newest), **client.environ})


async def count_replicas(invocation: Invocation) -> dict[str, dict[str, int]]:
    """The number of containers of each service, by project. Raises ComposectlError."""
    with closing(await Engine.connect(find_endpoint(invocation))) as engine:
        return await engine.scales()


def port_overrides(
    ports: Mapping[str, Sequence[Port]], published_host: str, without_udp: frozenset[str]
) -> PortOverrides:
    """What replicas publish; the targets of `ports` are where they are reached."""
    targets = {service: sorted({port.target for port in found if port.target}) for service, found in ports.items()}
    published = {
        service: tuple(any_free_port(published_host, target) for target in found)
        for service, found in targets.items()
        if published_host
    }
    return PortOverrides(without_udp, published)


@dataclass(frozen=True, slots=True)
class ComposeConnection:
    client: ComposeClient
    engine: Engine

    @classmethod
    async def open(cls, client: ComposeClient) -> ComposeConnection:
        """Raises ComposectlError where the engine does not answer."""
        client = await with_known_api(client)
        return cls(client, await Engine.connect(find_endpoint(client.invocation)))

    @property
    def url(self) -> str:
        return self.engine.endpoint.url

    def close(self) -> None:
        self.engine.close()

    async def choose_addressing(self, asked: str) -> ChosenAddressing:
        return await choose_addressing(asked, self.engine)

    def orchestrator(
        self,
        project: Project,
        scales: Mapping[str, int],
        ports: Mapping[str, Sequence[Port]],
        published_host: str,
        without_udp: frozenset[str],
        arguments: UpArguments,
    ) -> ComposeOrchestrator:
        """The orchestrator of the services in `scales`; the targets of `ports` are where replicas are reached."""
        overrides = port_overrides(ports, published_host, without_udp)
        balanced = self.client.balanced_project(project, scales)
        balanced = replace(balanced, rendered=overrides.apply(balanced.rendered))
        engine = replace(self.engine, addressing=Addressing(published_host))
        claimed = {service: _numbers((*project.tcp_ports(service), *ports.get(service, ()))) for service in scales}
        orchestrator = ComposeOrchestrator(engine, self.client, balanced, scales, overrides, arguments, claimed)
        orchestrator.profiles = project.profiles(scales)
        return orchestrator


class ComposeOrchestrator(Orchestrator):
    """`arguments`: what `up` is told beside the services that are balanced.

    `claimed`: the host's ports that no replica publishes, by service, because they are the proxy's.
    """

    logs_command = "composectl logs -f"

    def __init__(
        self,
        engine: Engine,
        client: ComposeClient,
        project: ComposeProject,
        scales: Mapping[str, int],
        overrides: PortOverrides,
        arguments: UpArguments,
        claimed: Mapping[str, frozenset[int]] | None = None,
    ) -> None:
        super().__init__(scales)
        self.directory = str(project.directory)
        self.published_host = engine.addressing.published_host
        self._engine = engine
        self._client = client
        self._project = project
        self._overrides = overrides
        self._arguments = arguments
        self._claimed = claimed or {}
        self._revisions = dict.fromkeys(scales, project.rendered)
        self._own: dict[str, set[str]] = {}  # the hashes of the containers that were made from these, by service
        self._ran_before: frozenset[str] = frozenset()  # services

    async def watch(self, observer: ReplicaObserver) -> NoReturn:
        await Watch(self._engine, self._project.name, tuple(self.desired), observer).run()

    def close(self) -> None:
        self._engine.close()

    async def owns_port(self, service: str, port: int) -> bool:
        owner = await self._engine.port_owner(port)
        return owner is not None and (owner.project, owner.service) == (self._project.name, service)

    async def port_owner(self, port: int) -> str:
        owner = await self._engine.port_owner(port)
        return f"container `{owner.name}`" if owner else ""

    async def conditions(self, well: Collection[str], suspects: Collection[str]) -> list[Condition]:
        return await self._engine.conditions(self._project.name, self.desired, well, suspects)

    async def start(self) -> None:
        self._ran_before = frozenset(await self._running())
        await self._unpause()
        await self._project.up(self._arguments, self.desired)
        for service in self.desired:
            self._own[service] = set((await self._engine.config_hashes(self._project.name, service)).values())

    async def stop_started(self, *, kill: bool = False) -> None:
        if started := sorted(await self._running() - self._ran_before):
            await self._project.stop(started, kill=kill)

    async def stop(self, *, kill: bool = False) -> None:
        """Stop or kill everything, or only the balanced services and those that were named, if some were."""
        named = self._arguments.services
        services = tuple(dict.fromkeys((*named, *self.desired))) if named else ()
        await self._project.stop(services, kill=kill)

    async def replicas(self, service: str) -> list[Replica]:
        return (await self._engine.replicas(self._project.name, (service,)))[service]

    async def containers(self, service: str) -> dict[str, str]:
        specs = await self._engine.containers(self._project.name, service)
        foreign = self._foreign(service, specs)
        return {spec.id: spec.name for spec in specs if spec.id not in foreign}

    async def exited(self, service: str) -> list[ExitedContainer]:
        return await self._engine.exited(self._project.name, service)

    async def foreign(self, service: str) -> dict[str, ForeignContainer]:
        """Those that publish a port of the proxy, or whose definition is none from which composectl made replicas."""
        return self._foreign(service, await self._engine.containers(self._project.name, service))

    async def ready_seconds(self, service: str) -> float:
        return await self._engine.ready_seconds(self._project.name, service)

    async def new_output(
        self, seen: dict[str, str], count: int = 1000, service: str = "", number: int | None = None
    ) -> list[OutputLine]:
        named = (*self._arguments.services, *self.desired) if self._arguments.services else ()
        lines = await self._engine.new_output(self._project.name, seen, count, service, number)
        return [line for line in lines if not named or line.service in named]

    async def start_created(self) -> list[str]:
        created = await self._engine.created(self._project.name)
        scales = (await self._engine.scales()).get(self._project.name, {})
        others = [service for service in created if service not in self.desired]
        for service in others:
            await self._project.converge(service, scales[service])
        return others

    async def last_lines(self, id: str, count: int) -> Sequence[str]:  # noqa: A002 - Docker's word
        return await self._engine.last_lines(id, count)

    def shared_data(self, service: str) -> str:
        return rendered_shared_data(self._revisions[service], service)

    def check_capacity(self, service: str, count: int, revision: Revision | None = None) -> None:
        check_rendered_capacity(revision or self._revisions[service], service, count)

    async def scale_to(self, service: str, count: int, revision: Revision | None = None) -> None:
        rendered = revision or self._revisions[service]
        before = await self._engine.config_hashes(self._project.name, service)
        own = self._own.setdefault(service, set(before.values()))
        try:
            await replace(self._project, rendered=rendered).converge(service, count)
        finally:
            now = await self._engine.config_hashes(self._project.name, service)
            own |= {config_hash for id, config_hash in now.items() if id not in before}  # noqa: A001 - Docker's word

    async def usage(self, service: str) -> dict[str, Usage]:
        return await self._engine.usage(self._project.name, service)

    def memory(self) -> tuple[int, int] | None:
        return None if self._engine.endpoint.host else memory_of_machine()

    async def sleep(self, service: str, *, pause: bool) -> None:
        for replica in await self.replicas(service):
            if pause:
                await self._engine.pause(replica.id)
            else:
                await self._engine.stop(replica.id, replica.stop_grace_period)

    async def wake(self, service: str) -> None:
        specs = await self._engine.containers(self._project.name, service)
        foreign = self._foreign(service, specs)
        own = sorted((spec for spec in specs if spec.id not in foreign), key=lambda spec: spec.status != PAUSED)
        if not own:
            await self.scale_to(service, 1)
        elif own[0].status == PAUSED:
            await self._engine.unpause(own[0].id)
        else:
            await self._engine.start(own[0].id)

    async def run_pre_stop(self, service: str, id: str) -> None:  # noqa: A002 - Docker's word
        for hook in pre_stop_hooks(self._revisions[service], service):
            exit_code = await self._engine.execute(
                id,
                hook.command,
                user=hook.user,
                privileged=hook.privileged,
                working_dir=hook.working_dir,
                environment=hook.environment,
            )
            if exit_code:
                raise errors.ComposectlError(
                    f"its pre_stop hook exited with code {exit_code}", "correct `pre_stop` of the service"
                )

    async def remove(self, id: str, grace_period: float | None = None) -> None:  # noqa: A002 - Docker's word
        if grace_period is not None:
            await self._engine.stop(id, grace_period)
        await self._engine.remove(id)

    async def newest_revision(self, service: str) -> str:
        project = await self._client.load(quiet=True)
        if service not in project.services:
            raise errors.unknown_service(service, project.services)
        return render(without_published_ports(project, self.desired)).decode()

    def revision(self, rendered: str) -> Revision:
        revision = self._overrides.apply(rendered.encode())
        self._merge(revision, self.desired.keys())
        return revision

    def update_config(self, service: str, revision: Revision) -> UpdateConfig:
        return update_config(revision, service)

    async def is_outdated(self, service: str, revision: Revision) -> bool:
        if differs(service, self._revisions[service], revision):
            return True
        specs = await self._engine.containers(self._project.name, service)
        if len({spec.config_hash for spec in specs}) > 1:
            return True
        images = {name: await self._engine.image_id(name) for name in {spec.image for spec in specs}}
        return any(images[spec.image] not in ("", spec.image_id) for spec in specs)

    def set_revision(self, service: str, revision: Revision) -> None:
        self._revisions[service] = revision
        self._merge(revision, self.desired.keys() - {service})

    # Private

    async def _unpause(self) -> None:
        """Let those go on that slept when an earlier composectl was killed: Compose cannot start them."""
        for service in self.desired:
            for spec in await self._engine.containers(self._project.name, service):
                if spec.status == PAUSED:
                    await self._engine.unpause(spec.id)

    async def _running(self) -> set[str]:
        return set(filter(None, (await self._engine.running(self._project.name)).values()))

    def _foreign(self, service: str, specs: Sequence[ContainerSpec]) -> dict[str, ForeignContainer]:
        claimed = self._claimed.get(service, frozenset())
        blocked = {spec.id for spec in specs if spec.published & claimed}
        found = {spec.config_hash for spec in specs if spec.id not in blocked}
        own = self._own.setdefault(service, found)  # those that a predecessor has made
        return {
            spec.id: ForeignContainer(spec.status in RUNNING, spec.id in blocked, failed=bool(spec.error))
            for spec in specs
            if spec.id in blocked or spec.config_hash not in own
        }

    def _merge(self, revision: Revision, kept: Collection[str]) -> None:
        """Have `stop` find all that runs, also after a rollout that fails: the services in `kept` are as they were."""
        self._project = replace(self._project, rendered=merge(self._project.rendered, revision, kept))


# Private


def _numbers(ports: Iterable[Port]) -> frozenset[int]:
    """The host's ports that these name."""
    return frozenset(number for port in ports for number in range(port.published[0], port.published[1] + 1)) - {0}
