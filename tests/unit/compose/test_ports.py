"""The ports of a service, in every form that a Compose has printed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composectl.compose.ports import ANY, Port, any_free_port, base_60, parse_ports
from tests.support.examples import examples


@pytest.mark.parametrize(
    ("entry", "port"),
    [
        # docker-compose 1.29
        ({"published": 8080, "target": 80}, Port("", (8080, 8080), 80, "tcp")),
        ({"published": "8100-8103", "target": 81}, Port("", (8100, 8103), 81, "tcp")),
        ("127.0.0.1:9000:90/tcp", Port("127.0.0.1", (9000, 9000), 90, "tcp")),
        ("::1:9001:80/tcp", Port("::1", (9001, 9001), 80, "tcp")),
        ({"target": 91}, Port("", ANY, 91, "tcp")),
        ({"protocol": "udp", "published": 5353, "target": 53}, Port("", (5353, 5353), 53, "udp")),
        ("127.0.0.1::92/tcp", Port("127.0.0.1", ANY, 92, "tcp")),
        ({"published": 0, "target": 95}, Port("", ANY, 95, "tcp")),
        ({"mode": "host", "protocol": "tcp", "published": 96, "target": 96}, Port("", (96, 96), 96, "tcp")),
        # docker-compose 1.29, of a file of 2016
        ("9090:9090/tcp", Port("", (9090, 9090), 9090, "tcp")),
        ("80/tcp", Port("", ANY, 80, "tcp")),
        # Compose v2
        ({"mode": "ingress", "target": 80, "published": "8080", "protocol": "tcp"}, Port("", (8080, 8080), 80, "tcp")),
        ({"host_ip": "::1", "target": 80, "published": "9001"}, Port("::1", (9001, 9001), 80, "tcp")),
        ({"target": 95, "published": "0", "protocol": "tcp"}, Port("", ANY, 95, "tcp")),
        ({"target": 95, "published": ""}, Port("", ANY, 95, "tcp")),
        ({"host_ip": "[::1]", "target": 80, "published": "9001"}, Port("::1", (9001, 9001), 80, "tcp")),
        # as people write them
        (9090, Port("", ANY, 9090, "tcp")),
        ("[::1]:80:80", Port("::1", (80, 80), 80, "tcp")),
        ("0.0.0.0:8000-8010:80", Port("0.0.0.0", (8000, 8010), 80, "tcp")),
    ],
)
def test_one_port(entry: Any, port: Port) -> None:
    assert parse_ports(entry) == (port,)


def test_ranges_on_both_sides_are_so_many_ports() -> None:
    assert parse_ports("127.0.0.1:8201-8202:8301-8302/udp") == (
        Port("127.0.0.1", (8201, 8201), 8301, "udp"),
        Port("127.0.0.1", (8202, 8202), 8302, "udp"),
    )


def test_a_range_of_targets_alone_takes_any_free_ports() -> None:
    assert parse_ports("93-94") == (Port("", ANY, 93, "tcp"), Port("", ANY, 94, "tcp"))


@pytest.mark.parametrize(("published", "capacity"), [((53, 53), 1), ((8000, 8003), 4), (ANY, float("inf"))])
def test_a_port_has_room_for_as_many_replicas_as_it_is_wide(published: tuple[int, int], capacity: float) -> None:
    assert Port("", published, 53, "udp").capacity == capacity


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("8080:80", "8080:81"),
        ("8080:80", "127.0.0.1:8080:80"),
        ("0.0.0.0:8080:80", "127.0.0.1:8080:80"),
        ("[::]:8080:80", "[::1]:8080:80"),
        ("127.0.0.1:8080:80", "127.0.0.1:8080:81"),
        ("53:53/udp", "53:54/udp"),
    ],
)
def test_two_ports_at_one_place_meet(first: str, second: str) -> None:
    assert one_port(first).conflicts_with(one_port(second))
    assert one_port(second).conflicts_with(one_port(first))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("8080:80", "8081:80"),
        ("53:53", "53:53/udp"),
        ("127.0.0.1:8080:80", "127.0.0.2:8080:80"),
        ("0.0.0.0:8080:80", "[::]:8080:80"),
        ("80", "80"),
        ("8000-8009:80", "8000-8009:80"),
    ],
)
def test_others_do_not(first: str, second: str) -> None:
    assert not one_port(first).conflicts_with(one_port(second))


@pytest.mark.parametrize(
    ("entry", "place"),
    [("8080:80", "port 8080"), ("127.0.0.1:8000-8009:80", "127.0.0.1:8000-8009"), ("[::1]:8080:80", "[::1]:8080")],
)
def test_where_it_is_published_is_told(entry: str, place: str) -> None:
    assert one_port(entry).place == place


def one_port(entry: str) -> Port:
    (port,) = parse_ports(entry)
    return port


@pytest.mark.parametrize(
    "entry", ["8080:http", "70000:80", "8080:70000", "8080:0", "8080:81-80", "8081-8080:80", {"target": 1_093_342}]
)
def test_anything_else_is_refused(entry: Any) -> None:
    with pytest.raises(ValueError):
        parse_ports(entry)


@examples(50)
@given(st.integers(1093, 65535), st.integers(0, 59))
def test_what_yaml_1_1_made_of_two_ports_is_undone(published: int, target: int) -> None:
    assert base_60(60 * published + target) == f"{published}:{target}"


@pytest.mark.parametrize(
    ("host_ip", "entry"), [("127.0.0.1", "127.0.0.1::9090"), ("::1", "[::1]::9090"), ("192.0.2.7", "192.0.2.7::9090")]
)
def test_any_free_port_of_an_address_as_every_compose_takes_it(host_ip: str, entry: str) -> None:
    assert any_free_port(host_ip, 9090) == entry
    assert parse_ports(entry) == (Port(host_ip, ANY, 9090, "tcp"),)
