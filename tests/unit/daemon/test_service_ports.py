"""Binding the ports of a service, and naming what holds one that is taken."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from composectl.changes import ChangeFeed
from composectl.compose.ports import Port
from composectl.config.service import BalancingConfig
from composectl.config.tls import TlsConfig
from composectl.daemon.daemon import Daemon
from composectl.daemon.routing import Routing
from composectl.daemon.service import BalancedService, bind_free_ports, bind_ports, bind_released_ports, port_owner
from composectl.errors import ComposectlError
from composectl.proxy.limits import ConnectionLimit
from composectl.proxy.protocol import Protocol
from composectl.proxy.routes import Route
from tests.support.fake_orchestrator import FakeOrchestrator, make_daemon
from tests.support.kept_port import keep_port


class Publishing(FakeOrchestrator):
    """`owned`: the ports that replicas of `echo` publish; `owner`: the container that publishes all others."""

    def __init__(self, owner: str = "") -> None:
        super().__init__({"echo": 1})
        self.owned: set[int] = set()
        self.owner = owner

    async def owns_port(self, service: str, port: int) -> bool:
        return port in self.owned

    async def port_owner(self, port: int) -> str:
        return self.owner


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    with keep_port() as kept, socket.create_server(kept.getsockname()) as listening:
        yield listening


@pytest.fixture
def orchestrator() -> Publishing:
    return Publishing()


@pytest.fixture
async def daemon(orchestrator: Publishing, taken: socket.socket, tmp_path: Path) -> AsyncIterator[Daemon]:
    number = number_of(taken)
    daemon = make_daemon(orchestrator, tmp_path / "composectl", [Port("127.0.0.1", (number, number), 80, "tcp")])
    yield daemon
    daemon.close()


@pytest.fixture
def service(daemon: Daemon) -> BalancedService:
    return daemon.services["echo"]


def number_of(listening: socket.socket) -> int:
    return int(listening.getsockname()[1])


async def test_a_free_port_is_listened_on(
    service: BalancedService, orchestrator: Publishing, taken: socket.socket, tmp_path: Path
) -> None:
    number = number_of(taken)
    taken.close()
    await bind_ports(service, orchestrator, tmp_path)
    assert service.listeners == (f"127.0.0.1:{number}",)
    assert service.unbound == []


async def test_the_container_that_publishes_a_port_is_named(
    service: BalancedService, orchestrator: Publishing, tmp_path: Path
) -> None:
    orchestrator.owner = "container `other-web-1`"
    with pytest.raises(ComposectlError, match="address already in use by container `other-web-1`"):
        await bind_ports(service, orchestrator, tmp_path)


async def test_the_process_that_holds_a_port_is_named(
    service: BalancedService, orchestrator: Publishing, tmp_path: Path
) -> None:
    with pytest.raises(ComposectlError, match=rf"\(process {os.getpid()}\)"):
        await bind_ports(service, orchestrator, tmp_path)
    with pytest.raises(ComposectlError, match=rf"\(process {os.getpid()}\)"):
        bind_free_ports(service, tmp_path)


async def test_a_port_that_replicas_publish_is_bound_once_released(
    service: BalancedService, orchestrator: Publishing, taken: socket.socket, tmp_path: Path
) -> None:
    orchestrator.owned = {number_of(taken)}
    await bind_ports(service, orchestrator, tmp_path)
    assert len(service.unbound) == 1
    binding = asyncio.create_task(bind_released_ports(service, orchestrator))
    await asyncio.sleep(0)
    assert not binding.done()
    taken.close()
    await binding
    assert service.unbound == []


@pytest.mark.parametrize(
    ("before", "after"),
    [(None, 80), (80, None), (80, 8080)],
    ids=["a redirect that is served", "a port that becomes a redirect", "another port of the containers"],
)
async def test_a_port_is_handed_over_whatever_it_is_for(before: int | None, after: int | None, tmp_path: Path) -> None:
    with keep_port() as kept, keep_port() as other:
        places = [(number, number) for number in (number_of(kept), number_of(other))]
        first, second = (serving_two(places, target) for target in (before, after))
        bind_free_ports(first, tmp_path)
        second.inherit(first.listening)
        assert second.unbound == []
        first.close()
        second.close()


async def test_two_ports_of_the_containers_may_be_handed_over_in_one_range(tmp_path: Path) -> None:
    with keep_port() as kept:
        number = number_of(kept)
        ports = [Port("127.0.0.1", (number, min(number + 99, 65_535)), target, "tcp") for target in (80, 443)]
        first, second = make_service("echo", ports), make_service("echo", ports)
        bind_free_ports(first, tmp_path)
        second.inherit(first.listening)
        assert second.unbound == []
        assert second.listeners_by_port == first.listeners_by_port
        assert len({*second.listeners}) == 2
        first.close()
        second.close()


def serving_two(places: list[tuple[int, int]], target: int | None) -> BalancedService:
    """A service on two ports, of which the second leads to `target`, None: it is for the redirect."""
    ports = [Port("127.0.0.1", place, 80, "tcp") for place in places]
    served = ports[:1] if target is None else [ports[0], replace(ports[1], target=target)]
    redirect = replace(ports[1], target=None) if target is None else None
    return make_service("echo", served, redirect=redirect)


def make_service(name: str, ports: list[Port], **how: Any) -> BalancedService:
    """One whose ports for HTTP take TLS."""
    balancing, protocols = BalancingConfig(tls=TlsConfig(mode="internal")), dict.fromkeys(ports, Protocol.HTTP)
    return BalancedService(name, ports, balancing, ConnectionLimit(100), ChangeFeed(), protocols=protocols, **how)


async def test_a_redirect_is_for_all_services_that_share_its_https_port(tmp_path: Path) -> None:
    shared, own, plain = (Port("127.0.0.1", (0, 0), target, "tcp") for target in (80, 81, None))
    web = make_service("web", [shared, own], redirect=plain, routing=Routing(routed=frozenset((shared, own))))
    api, admin = (guest_of(web, port) for port in (shared, own))
    bind_free_ports(web, tmp_path)
    assert len(web.redirect_http) == 1
    assert api.redirect_http == web.redirect_http
    assert admin.redirect_http == ()
    web.close()


def guest_of(host: BalancedService, port: Port) -> BalancedService:
    """A service that shares this port of another one."""
    own = replace(port, target=90)
    return make_service("guest", [own], hosts={own: (host, port)}, routing=Routing((Route(b"guest.test"),)))


def test_a_port_that_nothing_holds_has_no_owner(taken: socket.socket, tmp_path: Path) -> None:
    number = number_of(taken)
    taken.close()
    assert port_owner(number, tmp_path) == ""
