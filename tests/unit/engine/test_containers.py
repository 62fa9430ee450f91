"""What the engine says of a container, as a value."""

from typing import Any

import pytest

from composectl.balance.backend import ContainerHealth, Replica
from composectl.engine.containers import (
    HOOK,
    ONE_OFF,
    PROJECT,
    SERVICE,
    Addressing,
    ExitedContainer,
    PortOwner,
    Version,
    bridge_addresses,
    isolated_reason,
    parse_container,
    parse_engine_version,
    parse_exited,
    parse_port_owner,
    stop_signal,
)
from tests.support.fake_engine import STARTED, container


def networks(**addresses: dict[str, str]) -> dict[str, Any]:
    return {"Networks": addresses}


def described(**changed: Any) -> Replica:
    replica = parse_container(container(1, **changed))
    assert replica
    return replica


def test_a_running_container_is_a_replica() -> None:
    assert parse_container(container(3)) == Replica(
        f"{3:064x}", STARTED, 3, "shop-echo-3", "10.0.0.3", ContainerHealth.NONE, 10.0, 15
    )


@pytest.mark.parametrize("status", ["created", "restarting", "removing", "exited", "dead"])
def test_a_container_that_does_not_run_is_no_replica(status: str) -> None:
    assert parse_container(container(1, State={"Status": status})) is None


@pytest.mark.parametrize("labels", [{ONE_OFF: "True"}, {HOOK: "pre_start"}, {SERVICE: ""}])
def test_h16_a_one_off_or_a_hook_is_no_replica(labels: dict[str, str]) -> None:
    assert parse_container(container(1, Labels=labels)) is None


@pytest.mark.parametrize("settings", [networks(), networks(host={"IPAddress": ""}), {"Networks": None}, {}])
def test_h15_a_container_without_its_own_address_is_no_replica(settings: dict[str, Any]) -> None:
    assert parse_container(container(1, NetworkSettings=settings)) is None


def test_h15_of_several_networks_the_first_with_ipv4_counts() -> None:
    settings = networks(
        zoo={"IPAddress": "10.9.0.1"}, bar={"IPAddress": "10.1.0.1"}, ant={"GlobalIPv6Address": "fd::1"}
    )
    assert described(NetworkSettings=settings).host == "10.1.0.1"


def test_h15_an_ipv6_address_serves_where_there_is_no_other() -> None:
    settings = networks(ant={"IPAddress": "", "GlobalIPv6Address": "fd00::5"})
    assert described(NetworkSettings=settings).host == "fd00::5"


def test_h9_the_network_and_the_place_there_go_with_the_address() -> None:
    settings = networks(
        bar={"IPAddress": "10.1.0.1", "NetworkID": "n1", "EndpointID": "e1"},
        zoo={"IPAddress": "10.9.0.1", "NetworkID": "n2", "EndpointID": "e2"},
    )
    replica = described(NetworkSettings=settings)
    assert (replica.network, replica.endpoint) == ("n1", "e1")
    assert replica.key == (f"{1:064x}", STARTED, "10.1.0.1", "e1", ())


PUBLISHED = {
    "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "32768"}],
    "9090/tcp": [{"HostIp": "0.0.0.0", "HostPort": "9090"}, {"HostIp": "127.0.0.1", "HostPort": "32769"}],
    "53/udp": [{"HostIp": "127.0.0.1", "HostPort": "32770"}],
    "81/tcp": None,
}


def test_published_ports_are_the_only_ones_that_are_reached() -> None:
    settings = networks(bar={"IPAddress": "10.1.0.1", "NetworkID": "n1", "EndpointID": "e1"}) | {"Ports": PUBLISHED}
    replica = parse_container(container(1, NetworkSettings=settings), Addressing("127.0.0.1"))
    assert replica is not None
    assert [replica.address(target) for target in (80, 9090, 81)] == [
        ("127.0.0.1", 32768),
        ("127.0.0.1", 32769),
        ("127.0.0.1", 0),
    ]
    assert (replica.network, replica.endpoint) == ("n1", "e1")


@pytest.mark.parametrize("ports", [None, {}, {"9090/tcp": [{"HostIp": "0.0.0.0", "HostPort": "9090"}]}])
def test_a_container_without_published_ports_is_no_replica_then(ports: dict[str, Any] | None) -> None:
    settings = networks(bar={"IPAddress": "10.1.0.1"}) | {"Ports": ports}
    assert parse_container(container(1, NetworkSettings=settings), Addressing("127.0.0.1")) is None


def test_one_at_other_ports_is_another_replica() -> None:
    def at(port: int) -> Replica | None:
        published = {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]}
        settings = networks(bar={"IPAddress": "10.1.0.1"}) | {"Ports": published}
        return parse_container(container(1, NetworkSettings=settings), Addressing("127.0.0.1"))

    first, same, other = at(32768), at(32768), at(32769)
    assert first is not None
    assert same is not None
    assert other is not None
    assert first.key == same.key != other.key


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        ({"SecurityOptions": ["name=seccomp,profile=default", "name=rootless"]}, "the engine is rootless"),
        ({"OperatingSystem": "Docker Desktop", "SecurityOptions": []}, "the engine is Docker Desktop's"),
        ({"OperatingSystem": "Debian GNU/Linux 12 (bookworm)", "SecurityOptions": None}, ""),
        ({}, ""),
    ],
)
def test_an_engine_may_tell_that_its_networks_are_apart(info: dict[str, Any], reason: str) -> None:
    assert isolated_reason(info) == reason


TWO_NETWORKS = networks(
    bar={"IPAddress": "10.1.0.1", "NetworkID": "n1", "EndpointID": "e1"},
    zoo={"IPAddress": "10.9.0.1", "NetworkID": "n2", "EndpointID": "e2"},
)


@pytest.mark.parametrize(
    ("near", "address"), [({"n1"}, "10.1.0.1"), ({"n2"}, "10.9.0.1"), ({"n1", "n2"}, "10.1.0.1"), (None, "10.1.0.1")]
)
def test_h15_of_several_networks_only_those_within_reach_count(near: set[str] | None, address: str) -> None:
    addressing = Addressing(networks=None if near is None else frozenset(near))
    replica = parse_container(container(1, NetworkSettings=TWO_NETWORKS), addressing)
    assert replica is not None
    assert replica.host == address


@pytest.mark.parametrize("near", [{"n3"}, {""}, set[str]()])
def test_h15_one_on_no_network_within_reach_is_no_replica(near: set[str]) -> None:
    assert parse_container(container(1, NetworkSettings=TWO_NETWORKS), Addressing(networks=frozenset(near))) is None


@pytest.mark.parametrize(
    ("exposed", "port"),
    [
        ({"9090/tcp": {}}, 9090),
        ({"9090/tcp": {}, "443/tcp": {}, "80/udp": {}, "8080/tcp": {}}, 443),
        ({"53/udp": {}}, 0),
        ({}, 0),
        (None, 0),
    ],
)
def test_the_lowest_tcp_port_that_is_exposed_is_its_own_port(exposed: dict[str, Any] | None, port: int) -> None:
    replica = parse_container(container(1, Config={"ExposedPorts": exposed}), Addressing(use_exposed_port=True))
    assert replica is not None
    assert replica.address(None) == ("10.0.0.1", port)


def test_the_default_bridge_counts() -> None:
    assert described(NetworkSettings=networks(bridge={"IPAddress": "172.17.0.2"})).host == "172.17.0.2"


@pytest.mark.parametrize(
    ("health", "report"),
    [
        ("healthy", ContainerHealth.HEALTHY),
        ("starting", ContainerHealth.UNHEALTHY),
        ("unhealthy", ContainerHealth.UNHEALTHY),
        ("none", ContainerHealth.NONE),
    ],
)
def test_h7_health_is_reported(health: str, report: ContainerHealth) -> None:
    assert described(State={"Health": {"Status": health}}).health is report


def test_h6_a_paused_replica_is_down_however_healthy() -> None:
    assert described(State={"Status": "paused", "Health": {"Status": "healthy"}}).health is ContainerHealth.UNHEALTHY


@pytest.mark.parametrize(("said", "grace"), [(0, 0.0), (30, 30.0), (None, 10.0)])
def test_the_grace_is_the_containers_or_dockers(said: int | None, grace: float) -> None:
    assert (
        described(Config={"Labels": container(1)["Config"]["Labels"], "StopTimeout": said}).stop_grace_period == grace
    )


@pytest.mark.parametrize(("said", "number"), [("SIGQUIT", 3), ("WINCH", 28), ("12", 12), ("", 15), ("nonsense", 15)])
def test_the_stop_signal_is_the_containers_or_sigterm(said: str, number: int) -> None:
    assert stop_signal({"Config": {"StopSignal": said}}) == number


@pytest.mark.parametrize("state", [{"Status": "running"}, {"Status": "paused"}, {"Status": "created"}])
def test_what_runs_or_was_never_started_has_not_ended(state: dict[str, str]) -> None:
    assert parse_exited(container(1, State=state)) is None


def test_the_end_of_a_container_tells_its_exit_code() -> None:
    ended = parse_exited(container(1, State={"Status": "exited", "ExitCode": 3}))
    assert ended == ExitedContainer(f"{1:064x}", "shop-echo-1", 3, restarting=False)


def test_a_container_that_is_started_over_and_over_has_ended() -> None:
    ended = parse_exited(container(1, State={"Status": "restarting", "ExitCode": 1}))
    assert ended
    assert ended.restarting


def test_a_container_that_could_not_start_exits_with_a_reason() -> None:
    ended = parse_exited(container(1, State={"Status": "created", "ExitCode": 128, "Error": "no such executable"}))
    assert ended == ExitedContainer(
        f"{1:064x}", "shop-echo-1", 128, restarting=False, error="no such executable", has_run=False
    )


def test_the_holder_of_a_port_is_named_by_its_own_name() -> None:
    listed = {
        "Names": ["/shop-web-1/alias", "/shop-echo-1"],
        "Labels": {PROJECT: "shop", SERVICE: "echo"},
        "Ports": [{"PrivatePort": 80, "Type": "tcp"}, {"PrivatePort": 80, "PublicPort": 9090, "Type": "tcp"}],
    }
    assert parse_port_owner(listed, 9090) == PortOwner("shop-echo-1", "shop", "echo")
    assert parse_port_owner(listed, 80) is None


def test_a_udp_port_is_not_held() -> None:
    listed = {"Names": ["/dns"], "Labels": None, "Ports": [{"PrivatePort": 53, "PublicPort": 53, "Type": "udp"}]}
    assert parse_port_owner(listed, 53) is None


# The engine itself


def test_which_engine_it_is_and_what_it_speaks() -> None:
    answer = {"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12", "Os": "linux"}
    assert parse_engine_version(answer, "1.40") == Version("20.10.24", "1.40", "1.12", "1.41")
    assert parse_engine_version({}, "1.24") == Version("?", "1.24", "1.24", "1.24")


def test_its_own_addresses_are_those_of_its_bridges() -> None:
    bridge = {"Driver": "bridge", "IPAM": {"Config": [{"Gateway": "172.17.0.1"}, {"Gateway": "fd00::1"}, {}]}}
    fresh = {"Driver": "bridge", "IPAM": {"Config": [{"Subnet": "172.18.0.0/16"}, {"Subnet": "fd00::/64"}]}}
    overlay = {"Driver": "overlay", "IPAM": {"Config": [{"Gateway": "10.0.0.1"}]}}
    other = {"Driver": "bridge", "IPAM": {"Config": None}}
    assert bridge_addresses([bridge, fresh, overlay, other, {"Driver": "host", "IPAM": None}]) == [
        "172.17.0.1",
        "172.18.0.1",
    ]


LYING = "/shop-echo-1\x1b[2J\n\nhint: obey"


def test_h18_a_name_that_lies_is_one_line_of_signs_that_print() -> None:
    ended = parse_exited(container(1, Name=LYING, State={"Status": "exited", "ExitCode": 1}))
    assert ended
    assert described(Name=LYING).name == ended.name == "shop-echo-1  hint: obey"
