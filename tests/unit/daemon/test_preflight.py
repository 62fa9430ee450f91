"""Where a service is listened on, and what is refused before anything is touched."""

from __future__ import annotations

import pytest

from composectl.compose.ports import ANY, Port, parse_ports
from composectl.compose.project import Project
from composectl.config.service import BalancingConfig, ServiceConfig
from composectl.config.values import parse_listen
from composectl.daemon.preflight import check_apart, ports_of
from composectl.errors import ComposectlError


def listened_on(
    *published: object, listen: tuple[str, ...] = (), port: int | None = None, drop_udp: bool = False
) -> list[Port]:
    project = Project("shop", {"services": {"echo": {"ports": list(published)}}})
    return ports_of(
        project, "echo", ServiceConfig(3, BalancingConfig(), tuple(map(parse_listen, listen)), port, drop_udp)
    )


def test_every_published_tcp_port_gets_a_listener() -> None:
    long_form = {"target": 81, "published": "8081", "host_ip": "127.0.0.1", "mode": "host"}
    assert listened_on("8080:80", long_form, "[::1]:8000-8009:82", "83") == [
        Port("", (8080, 8080), 80, "tcp"),
        Port("127.0.0.1", (8081, 8081), 81, "tcp"),
        Port("::1", (8000, 8009), 82, "tcp"),
        Port("", ANY, 83, "tcp"),
    ]


def test_udp_beside_it_is_not_listened_on() -> None:
    assert listened_on("8080:80", "53:53/udp", drop_udp=True) == [Port("", (8080, 8080), 80, "tcp")]


def test_a_swarm_balances_udp_itself() -> None:
    project = Project("shop", {"services": {"echo": {"ports": ["8080:80", "53:53/udp"]}}})
    assert ports_of(project, "echo", ServiceConfig(3), swarm=True) == [Port("", (8080, 8080), 80, "tcp")]


def test_a_named_port_is_the_first_since_it_is_checked() -> None:
    assert [port.target for port in listened_on("8080:80", "8081:81", "8082:82", port=81)] == [81, 80, 82]


def test_a_port_that_is_not_published_is_refused() -> None:
    with pytest.raises(ComposectlError, match="does not publish container port 8080: it publishes 80, 81") as caught:
        listened_on("8080:80", "8081:81", port=8080)
    assert "`listen`" in caught.value.hint


@pytest.mark.parametrize(
    ("published", "listen", "port", "target"),
    [(("8080:80",), "9000", None, 80), (("8080:80",), "9000", 81, 81), ((), "9000", 81, 81), ((), "9000:82", 81, 82)],
)
def test_listen_options_take_the_named_target_or_the_first(
    published: tuple[str, ...], listen: str, port: int | None, target: int
) -> None:
    assert listened_on(*published, listen=(listen,), port=port) == [Port("", (9000, 9000), target, "tcp")]


def test_without_any_target_there_is_nothing_to_balance_to() -> None:
    with pytest.raises(ComposectlError, match="the target port is unknown"):
        listened_on(listen=("9000",))


def test_two_services_cannot_have_one_port() -> None:
    with pytest.raises(ComposectlError, match="port 8080 is published twice, by `echo` and `web`"):
        check_apart({"echo": parse_ports("8080:80"), "web": parse_ports("8080:81")})


def test_nor_can_one_service_have_it_twice() -> None:
    with pytest.raises(ComposectlError, match=r"127\.0\.0\.1:8080 is published twice, by `echo`"):
        check_apart({"echo": (*parse_ports("127.0.0.1:8080:80"), *parse_ports("8080:81"))})


def test_ports_at_several_places_stand_beside_each_other() -> None:
    check_apart({"echo": (*parse_ports("8080:80"), *parse_ports("8081:80")), "web": parse_ports("8082:80")})
