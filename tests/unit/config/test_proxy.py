"""What the options of `composectl proxy` ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from composectl.balance.backend import ContainerHealth, Replica
from composectl.compose.ports import Port
from composectl.config.daemon import ProxyConfig, StaticBackends
from composectl.config.proxy import make_proxy_config
from composectl.errors import USAGE, ComposectlError
from composectl.orchestrator.self_discovery import ServiceBackends
from composectl.orchestrator.swarm_service import TaskBackends
from tests.support.options import flags

IN_THE_POST = {"DOCKER_COMPOSE_SERVICE_NAME": "echo"}


def proxy(environ: Mapping[str, str], project: str = "", **typed: Any) -> ProxyConfig:
    return make_proxy_config(flags("proxy", **typed), project, environ)


def static(*backends: str, listen: tuple[str, ...] = ("8080",), name: str = "") -> ProxyConfig:
    return proxy({}, backend=backends, listen=listen, **({"name": name} if name else {}))


def replicas(*backends: str) -> list[Replica]:
    made = static(*backends).backends
    assert isinstance(made, StaticBackends)
    return made.replicas


def following(**typed: Any) -> tuple[ServiceBackends, list[Port]]:
    config = proxy(IN_THE_POST, **typed)
    assert isinstance(config.backends, ServiceBackends)
    return config.backends, config.ports


def test_backends_are_replicas_in_their_order_each_with_its_port() -> None:
    first, second = replicas("127.0.0.1:9001", "[::1]:9002")
    assert (first.number, first.name, first.address(None)) == (1, "127.0.0.1:9001", ("127.0.0.1", 9001))
    assert (second.number, second.name, second.address(None)) == (2, "[::1]:9002", ("::1", 9002))
    assert first.health is ContainerHealth.NONE


def test_a_backend_keeps_its_id_from_one_run_to_the_next() -> None:
    assert replicas("a:1")[0].id == replicas("b:1", "a:1")[1].id
    assert len({replica.id[:12] for replica in replicas("a:1", "a:2", "b:1")}) == 3


def test_listeners_are_ports_without_a_target() -> None:
    assert static("a:1", listen=("8080", "[::1]:0")).ports == [
        Port("", (8080, 8080), None, "tcp"),
        Port("::1", (0, 0), None, "tcp"),
    ]


@pytest.mark.parametrize(("listen", "backends"), [(("8080", "8080"), ("a:1",)), (("8080",), ("a:1", "a:1"))])
def test_what_is_given_twice_is_refused(listen: tuple[str, ...], backends: tuple[str, ...]) -> None:
    with pytest.raises(ComposectlError, match="duplicate ") as raised:
        static(*backends, listen=listen)
    assert raised.value.exit_code == USAGE


@pytest.mark.parametrize("name", ["edge", "proxy-8080", "a_b", "0"])
def test_names(name: str) -> None:
    assert static("a:1", name=name).name == name


@pytest.mark.parametrize("name", ["Edge", "-edge", "a b", "../edge", "é", "a\n"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ComposectlError, match="for `--name`: expected lower-case") as raised:
        static("a:1", name=name)
    assert raised.value.exit_code == USAGE


def test_static_backends_need_a_listener() -> None:
    with pytest.raises(ComposectlError, match="--listen"):
        static("a:1", listen=())


def test_a_project_s_name_is_that_of_the_proxy() -> None:
    assert proxy({}, "edge", backend=("a:1",), listen=("8080",)).name == "edge"
    with pytest.raises(ComposectlError, match="for `--project-name`: expected lower-case"):
        proxy({}, "Edge", backend=("a:1",), listen=("8080",))


@pytest.mark.parametrize("typed", [{"service": "echo"}, {"port": "80"}])
def test_a_backend_is_static_or_of_a_service(typed: dict[str, str]) -> None:
    with pytest.raises(ComposectlError, match="--backend"):
        proxy({}, backend=("a:1",), listen=("8080",), **typed)


def at(*ports: tuple[int, int]) -> Replica:
    return Replica("1" * 64, "", 1, "shop-echo-1", "10.0.0.1", ports=ports)


def test_the_variable_of_the_post_is_enough() -> None:
    assert following() == (ServiceBackends("echo", "", None), [Port("", (8080, 8080), None, "tcp")])


def test_options_win_over_variables() -> None:
    environ = IN_THE_POST | {"COMPOSE_PROJECT_NAME": "shop"}
    assert proxy(environ).backends == ServiceBackends("echo", "shop", None)
    config = proxy(environ, project="Other", service="web", port="80", listen=("127.0.0.1:0",))
    assert config.backends == ServiceBackends("web", "other", 80)
    assert config.ports == [Port("127.0.0.1", (0, 0), 80, "tcp")]


def test_the_port_of_the_backends_is_that_which_all_have() -> None:
    assert static("a:6379", "b:6379").backend_port == 6379
    assert static("a:6379", "a:6380").backend_port is None
    assert proxy(IN_THE_POST).backend_port is None
    assert proxy(IN_THE_POST, port="6379").backend_port == 6379


def test_a_service_has_to_be_named() -> None:
    with pytest.raises(ComposectlError, match="missing option") as raised:
        proxy({})
    assert raised.value.exit_code == USAGE
    assert "DOCKER_COMPOSE_SERVICE_NAME" in raised.value.hint


@pytest.mark.parametrize("port", ["0", "http", "65536", "-1", "80/tcp"])
def test_what_is_no_port_of_a_container_is_refused(port: str) -> None:
    with pytest.raises(ComposectlError, match=f"invalid value `{port}` for `--port`") as raised:
        following(port=port)
    assert raised.value.exit_code == USAGE


@pytest.mark.parametrize("typed", [{"listen": ("8080", "8080")}, {"listen": ("a:b",)}, {"name": "No Name"}])
def test_listeners_and_names_are_as_for_static_backends(typed: dict[str, Any]) -> None:
    with pytest.raises(ComposectlError) as raised:
        following(**typed)
    assert raised.value.exit_code == USAGE


def test_a_replica_that_exposes_nothing_needs_a_named_port() -> None:
    assert following()[0].has_port(at((None, 9090)))
    assert not following()[0].has_port(at((None, 0)))
    assert following(port="9090")[0].has_port(at())


def test_a_service_of_a_swarm_is_followed_by_its_own_name() -> None:
    config = proxy({}, swarm_service="shop_echo", port="80", listen=("8080",))
    assert config.backends == TaskBackends("shop_echo", 80)
    assert config.ports == [Port("", (8080, 8080), 80, "tcp")]


@pytest.mark.parametrize("other", [{"backend": ("a:1",)}, {"service": "echo"}])
def test_a_proxy_has_backends_of_one_kind(other: dict[str, Any]) -> None:
    with pytest.raises(ComposectlError, match="cannot be combined with `--swarm-service`"):
        proxy({}, swarm_service="shop_echo", **other)
