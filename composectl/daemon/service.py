"""One balanced service: its pool, its listeners, its request queue, and the health checks of its backends."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from composectl import errors
from composectl.balance.autoscale import AutoscaleConfig, Autoscaler
from composectl.balance.backend import Backend, Transition
from composectl.balance.phase import Phase
from composectl.balance.policy import Capped
from composectl.balance.pool import Pool
from composectl.balance.replica_range import ReplicaRange
from composectl.balance.shared_pool import SharedPool
from composectl.balance.snapshot import PortView, ScalingView, ServiceView, iso, view_service
from composectl.balance.waiting import Condition, PortCheck, Waiting, explain
from composectl.changes import ChangeFeed
from composectl.compose.ports import ANY, Port
from composectl.config.service import PAUSE, BalancingConfig, check_range
from composectl.control.client import running_daemons
from composectl.daemon.data_plane import DataPlane, Plane, PlaneHooks, Shared
from composectl.daemon.messages import ServicePlan
from composectl.daemon.notice_board import NoticeBoard
from composectl.daemon.notices import notices, silence
from composectl.daemon.redirect import RedirectListener
from composectl.daemon.routing import NO_ROUTING, Routing
from composectl.daemon.tls import ServiceTls, ends_tls, make_backend_tls
from composectl.orchestrator.base import Orchestrator
from composectl.proxy.access_log import AccessLog
from composectl.proxy.health_check import HealthMonitor, make_health_check
from composectl.proxy.https_redirect import HttpsRedirect
from composectl.proxy.limits import ConnectionLimit
from composectl.proxy.listener import PortTaken, address_of, bind, share
from composectl.proxy.port_owner import process_on
from composectl.proxy.protocol import Protocol
from composectl.proxy.server import HttpServer
from composectl.proxy.session_fields import SessionFields
from composectl.screen.console import warning

if TYPE_CHECKING:
    from composectl.daemon.service_rollout import ServiceRollout
    from composectl.daemon.workers import Workers

_RELEASE_TIMEOUT = 5.0
_RELEASE_INTERVAL = 0.05
_SHOWN_BETWEEN_SWEEPS = 3.0
_SHOWN_FOR = 600.0
_SCALINGS = 20  # changes of the desired number that are remembered


class BalancedService:
    """`ports`: one listener each; the target of the first one is what health checks try. `protocols`: auto by default.

    `connection_limit` counts the clients of the whole process. `relayed`: an accepted connection proves nothing,
    because a relay of the engine accepts it. `listeners`: where it is reached, as `host:port`; `listeners_by_port`: the
    same by the container's port to which they lead, "" where each backend has its own. `drain_timeout`: the seconds for
    requests in flight. `canary`: a rollout that is paused. `session_fields`: see `Upstream`; `session_scope` is what
    they were made for. `tls`: of the ports where it ends. `redirect`: a port at which plain HTTP is sent on to the
    first of them, its listeners are `redirect_http`. `range`: within which its load decides how many replicas there
    are; None for a fixed number. `asleep`: its replicas are stopped until a request comes. `workers`: the processes
    that serve, None for this one alone, to which the limit and the log go.
    """

    def __init__(
        self,
        name: str,
        ports: Sequence[Port],
        balancing: BalancingConfig,
        connection_limit: ConnectionLimit,
        changes: ChangeFeed,
        *,
        access_log: AccessLog | None = None,
        relayed: bool = False,
        protocols: Mapping[Port, Protocol] | None = None,
        session_fields: SessionFields | None = None,
        tls: ServiceTls | None = None,
        redirect: Port | None = None,
        routing: Routing = NO_ROUTING,
        hosts: Mapping[Port, tuple[BalancedService, Port]] | None = None,
        session_scope: str = "",
        workers: Workers | None = None,
    ) -> None:
        self.name = name
        self.protocols = {port: (protocols or {}).get(port, Protocol.AUTO) for port in ports}
        sessions = session_fields.sessions if session_fields is not None else None
        policy, limit = balancing.make_policy(time.monotonic), balancing.max_in_flight
        backend_tls = make_backend_tls(balancing.backend_tls, name, ports)
        hooks = PlaneHooks(self._notice_proxy, self._notice_silence, self._notice_for_a_while)
        self._workers = workers
        self._hosts = hosts or {}
        for own, (host, port) in self._hosts.items():
            host._guests.setdefault(port, []).append((self, own))
        self.pool: Pool
        self._plane: Plane
        if workers is None:
            cap = None if limit is None else Capped(policy, limit, lambda: plane.admit())
            self.pool = Pool(name, policy, time.time, self._publish, sessions, cap)
            shared, contexts = Shared(connection_limit, access_log), None if tls is None else tls.contexts
            servers = {own: host.server_of(port) for own, (host, port) in self._hosts.items()}
            self._plane = plane = DataPlane(
                self.pool,
                self.protocols,
                balancing,
                shared,
                session_fields,
                hooks,
                routing,
                servers,
                contexts,
                backend_tls,
                changes.wake,
            )
        else:
            self.pool = shared_pool = SharedPool(name, policy, time.time, self._publish, sessions, self._announce)
            plan = ServicePlan(name, self.protocols, balancing, session_scope, routing)
            self._plane = workers.plane(plan, shared_pool, hooks, tls)
        self.listeners: tuple[str, ...] = ()
        self.listeners_by_port: dict[str, list[str]] = {}
        self.redirect_http: tuple[str, ...] = ()
        self.drain_timeout: float = balancing.drain_timeout
        self.canary: ServiceRollout | None = None
        self.range: ReplicaRange | None = None
        self.asleep = False
        self._scalings: deque[ScalingView] = deque(maxlen=_SCALINGS)
        self._notices = NoticeBoard(self._tell_notice)
        self._causes = (Counter[str](), Counter[str]())  # of notices, as they were at the last sweep
        self._rollouts = {"done": 0, "failed": 0, "aborted": 0}
        self._balancing = balancing
        self._tls = tls
        self._redirect_port = redirect
        answer = tls.answer if tls is not None else lambda token: None
        self._redirect = (
            RedirectListener(HttpsRedirect(self._https_port, connection_limit, answer)) if redirect else None
        )
        speaks_http = self.protocols[ports[0]] not in (Protocol.TCP, Protocol.TLS)
        self._health_check = make_health_check(
            balancing.health_check_path if speaks_http else "",
            balancing.health_check_host,
            grpc=balancing.health_check_grpc if speaks_http else "",
            relayed=relayed,
            tls=backend_tls if speaks_http else None,
        )
        self._changes = changes
        self._target = ports[0].target
        self._health_monitor = HealthMonitor(self.pool, self._target, self._health_check)
        self._sockets: dict[Port, list[socket.socket]] = {}
        self._addresses: dict[Port, tuple[str, ...]] = {}
        self._guests: dict[Port, list[tuple[BalancedService, Port]]] = {}

    def bind(self, port: Port) -> None:
        """Take the host port. Raises PortTaken and ComposectlError."""
        first, last = port.published
        ports = (0,) if port.published == ANY else range(first, last + 1)
        self._listen(port, bind(port.host_ip, ports, self._sharing(port)))

    def inherit(self, listening: Mapping[str, Sequence[socket.socket]]) -> None:
        """Take those of these listening sockets that have the names of ports of this service."""
        for port in self.unbound:
            if sockets := listening.get(self._socket_name(port)):
                self._listen(port, share(sockets, self._sharing(port)))

    @property
    def listening(self) -> dict[str, list[socket.socket]]:
        """The listening sockets, by names that no other service has."""
        return {self._socket_name(port): sockets for port, sockets in self._sockets.items()}

    @property
    def unbound(self) -> list[Port]:
        """The ports that are still to be bound."""
        ports = [*self.protocols, *([self._redirect_port] if self._redirect_port else [])]
        return [port for port in ports if port not in self._sockets and port not in self._hosts]

    def server_of(self, port: Port) -> HttpServer:
        """The server of a port that is not another service's, where this process serves."""
        assert isinstance(self._plane, DataPlane)
        return self._plane.server_of(port)

    def sharers(self, port: Port) -> list[str]:
        """The services that are reached on this port, which this one listens at."""
        return [self.name, *(guest.name for guest, _ in self._guests.get(port, ()))]

    @property
    def is_served(self) -> bool:
        return self._plane.is_served

    async def serve(self) -> None:
        await self._plane.serve(self._sockets)
        if self._redirect is not None and self._redirect_port is not None:
            await self._redirect.serve(self._sockets[self._redirect_port])

    async def drain_connections(self, seconds: float) -> None:
        """Accept no more, and for so long close a connection only after one more response: another process goes on."""
        await self._close_redirect()
        await self._plane.drain_connections(seconds)

    async def shut_down(self) -> None:
        """Accept no more, and wait for what is in flight."""
        await self._close_redirect()
        await self._plane.shut_down()

    def cut(self, backend: Backend, *, spare_streams: bool = False) -> None:
        """End what is in flight at this backend, with a reset, as failed: see `Connection.cut`."""
        self._plane.cut(backend, spare_streams=spare_streams)

    async def abort(self) -> None:
        await self._close_redirect()
        await self._plane.abort()

    def close(self) -> None:
        for sockets in self._sockets.values():
            for sock in sockets:
                sock.close()

    async def watch_health(self) -> None:
        await self._health_monitor.run()

    def sweep(self) -> None:
        """To be called once a second."""
        self._plane.sweep()
        leases = self.pool.leases
        leases.sample()
        if leases.sessions is not None:
            for backend in leases.sessions.sweep():
                self._plane.release_sessions(backend)
        causes = (leases.bad_requests.copy(), leases.failed_for.copy())
        of_clients, of_backends = (now - before for now, before in zip(causes, self._causes, strict=True))
        self._notices.sweep(notices(of_clients, of_backends, self.listeners, self._target), time.monotonic())
        self._causes = causes
        self._sweep_tls()
        self._changes.wake()  # what is in flight at a backend in maintenance is waited for, too

    @property
    def load(self) -> int:
        """What is in flight and queued now."""
        return self.pool.leases.in_flight + self._plane.queued

    def integrate(self, at: float) -> float:
        """The time integral of the load: see `Plane.integrate`."""
        return self._plane.integrate(at)

    @property
    def pauses(self) -> bool:
        """Whether its replicas are paused, and not stopped, where it sleeps."""
        return self._balancing.sleep_mode == PAUSE

    @property
    def autoscale(self) -> AutoscaleConfig:
        return self._balancing.autoscale

    def check_range(self, bounds: ReplicaRange) -> None:
        """Raise UsageError where it cannot be scaled within this range."""
        check_range(self.name, bounds, self._balancing)

    def make_autoscaler(self, bounds: ReplicaRange) -> Autoscaler:
        return Autoscaler(bounds, self.autoscale, self._balancing.max_in_flight)

    def rescaled(self, before: int, after: int, reason: str) -> None:
        """Note that another number of replicas is desired from now on."""
        if before != after:
            self._scalings.append(ScalingView(iso(time.time()), before, after, reason))
            self._changes.wake()

    def waiting(self, desired: int, conditions: Iterable[Condition]) -> tuple[Waiting, ...]:
        """Why its replicas are not ready, given the conditions of its containers."""
        published = {port.target for port in self.protocols if port.target}
        check = PortCheck(self._health_check.subject(self._target), self._target, published)
        return explain(self.pool.backends, desired, conditions, check)

    def view(self, desired: int, waiting: Sequence[Waiting] = ()) -> ServiceView:
        """Its part of a snapshot; `desired`: the number of replicas that there should be."""
        return view_service(
            self.pool,
            policy=self._balancing.policy,
            sticky="cookie" if self._balancing.sticky == "true" else self._balancing.sticky,
            listeners=self.listeners,
            redirect_http=self.redirect_http,
            desired=desired,
            queued=self._plane.queued,
            port=self._target,
            changes=self._changes.changes,
            rollouts=self._rollouts,
            waiting=waiting,
            notices=self._notices.sentences,
            replica_range=str(self.range or ""),
            asleep=self.asleep,
            scalings=self._scalings,
            ports=[
                PortView(
                    port.target,
                    self._addresses[port],
                    "https" if ends_tls(self._balancing.tls, port, protocol) else protocol,
                    dict(self._plane.recognised(port)),
                )
                for port, protocol in self.protocols.items()
                if port in self._addresses
            ],
        )

    def notice(self, sentence: str) -> None:
        """Tell this once on stderr, and in each snapshot from now on."""
        self._notices.add(sentence)

    def count_rollout(self, outcome: str) -> None:
        """Count a rollout that is `done`, `failed` or `aborted`."""
        self._rollouts[outcome] += 1

    @contextmanager
    def counted_rollout(self) -> Iterator[None]:
        """Count what is entered as a rollout: done, or failed where it raises."""
        try:
            yield
        except BaseException:
            self.count_rollout("failed")
            raise
        self.count_rollout("done")

    def pause_rollout(self, canary: ServiceRollout) -> None:
        self.canary = canary

    def begin_canary(self, old: Collection[str], share: float) -> None:
        """Give all backends but those of the containers `old` this share of the requests, together."""
        self.pool.leases.begin_canary(old, share)
        self._plane.begin_canary(old, share)

    def end_canary(self) -> None:
        """Treat all backends alike again."""
        self.canary = None
        self.pool.leases.end_canary()
        self._plane.end_canary()

    # Private

    def _sharing(self, port: Port) -> int:
        """How many processes share this port."""
        return 1 if self._workers is None or port is self._redirect_port else len(self._workers)

    def _announce(self, backend: Backend) -> None:
        self._plane.phase_changed(backend)

    def _listen(self, port: Port, sockets: list[socket.socket]) -> None:
        self._sockets[port] = sockets
        addresses = tuple(dict.fromkeys(map(address_of, sockets)))  # now: a socket that is closed has none
        if port is self._redirect_port:
            for service, _ in ((self, port), *self._guests.get(self._first_https(), ())):
                service.redirect_http = addresses
            return
        self._reached_at(port, addresses)
        for guest, guest_port in self._guests.get(port, ()):
            guest._reached_at(guest_port, addresses)

    def _reached_at(self, port: Port, addresses: tuple[str, ...]) -> None:
        self._addresses[port] = addresses
        self.listeners += addresses
        self.listeners_by_port.setdefault(str(port.target or ""), []).extend(addresses)

    def _socket_name(self, port: Port) -> str:
        return f"{self.name} {port.place if port.is_fixed else port}"  # a fixed one may lead elsewhere afterwards

    def _tell_notice(self, sentence: str) -> None:
        warning(f"{self.name}: {sentence}")
        self._changes.wake()

    def _https_port(self) -> int:
        return int(self._addresses[self._first_https()][0].rpartition(":")[2])

    def _first_https(self) -> Port:
        return next(port for port, protocol in self.protocols.items() if ends_tls(self._balancing.tls, port, protocol))

    async def _close_redirect(self) -> None:
        if self._redirect is not None:
            await self._redirect.close()

    def _sweep_tls(self) -> None:
        if self._tls is not None:
            self._tls.sweep()
            for sentence in self._tls.notices():
                self._notices.add(sentence, time.monotonic() + _SHOWN_BETWEEN_SWEEPS)
        if self._redirect is not None:
            self._redirect.sweep()

    def _notice_proxy(self, client: str) -> None:
        option = f"`--trusted-proxies {client}`"
        self.notice(f"the X-Forwarded-* fields of {client} are dropped; if it is a proxy, {option} keeps them")

    def _notice_silence(self, port: Port) -> None:
        listeners = self.listeners_by_port[str(port.target or "")]
        self._notice_for_a_while(silence(listeners, port.target))

    def _notice_for_a_while(self, sentence: str) -> None:
        self._notices.add(sentence, time.monotonic() + _SHOWN_FOR)

    def _publish(self, change: Transition, backend: Backend) -> None:
        self._plane.phase_changed(backend)
        if change.before is Phase.READY and not self.pool.ready:
            self._health_monitor.hurry()
        self._changes.publish(change)


def port_owner(port: int, folder: Path) -> str:
    """Another composectl of this user, with its sockets in `folder`, or else a process; empty where it is not known."""
    for client in running_daemons(folder):
        info = client.info
        listeners = (*info.listeners, info.metrics.removesuffix("/metrics"), info.dashboard.removesuffix("/"))
        if any(listener.rpartition(":")[2] == str(port) for listener in listeners):
            return f"composectl of {info.title}"
    return process_on(port)


def bind_free_ports(service: BalancedService, folder: Path) -> None:
    """Bind all ports. Raises `port_taken`."""
    try:
        for port in service.unbound:
            service.bind(port)
    except PortTaken as taken:
        raise errors.port_taken(taken.address, port_owner(taken.port, folder)) from taken


async def bind_ports(service: BalancedService, orchestrator: Orchestrator, folder: Path) -> None:
    """Bind all ports but those that the replicas publish: Compose makes these anew without. Raises `port_taken`."""
    for port in service.unbound:
        try:
            service.bind(port)
        except PortTaken as taken:
            if any([await orchestrator.owns_port(name, taken.port) for name in service.sharers(port)]):
                continue
            owner = await orchestrator.port_owner(taken.port)
            owner = owner or await asyncio.to_thread(port_owner, taken.port, folder)
            raise errors.port_taken(taken.address, owner) from taken


async def bind_released_ports(service: BalancedService, orchestrator: Orchestrator) -> None:
    """Bind the ports that replicas of the service published until a moment ago. Raises `port_taken`."""
    now = asyncio.get_running_loop().time
    for port in service.unbound:
        deadline = now() + _RELEASE_TIMEOUT
        while port in service.unbound:
            try:
                service.bind(port)
            except PortTaken:
                if now() > deadline:
                    number = port.published[0]
                    raise errors.port_taken(str(number), await orchestrator.port_owner(number)) from None
                await asyncio.sleep(_RELEASE_INTERVAL)
