"""Listening where Docker would have published."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from composectl.errors import ComposectlError
from composectl.proxy.listener import PortTaken, address_of, bind
from tests.support.kept_port import keep_port

Bind = Callable[..., list[socket.socket]]


@pytest.fixture
def bound() -> Iterator[Bind]:
    opened: list[socket.socket] = []

    def bind_for_now(host: str, ports: list[int]) -> list[socket.socket]:
        sockets = bind(host, ports)
        opened.extend(sockets)
        return sockets

    yield bind_for_now
    for listener in opened:
        listener.close()


def port_of(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


def test_i11_the_host_address_is_honoured(bound: Bind) -> None:
    (listener,) = bound("127.0.0.1", [0])
    assert address_of(listener).startswith("127.0.0.1:")


def test_an_ipv6_address_is_honoured(bound: Bind) -> None:
    (listener,) = bound("::1", [0])
    assert address_of(listener).startswith("[::1]:")


def test_no_host_is_every_address_of_both_kinds_on_one_port(bound: Bind) -> None:
    four, six = bound("", [0])
    assert (address_of(four), address_of(six)) == (f"0.0.0.0:{port_of(four)}", f"[::]:{port_of(four)}")
    for host in ("127.0.0.1", "::1"):
        socket.create_connection((host, port_of(four)), timeout=5).close()


def test_a_name_is_each_of_its_addresses_on_one_port(bound: Bind) -> None:
    sockets = bound("localhost", [0])
    assert address_of(sockets[0]) == f"127.0.0.1:{port_of(sockets[0])}"
    assert {port_of(listener) for listener in sockets} == {port_of(sockets[0])}


def test_a_name_without_an_address_is_refused() -> None:
    with pytest.raises(ComposectlError, match=r"cannot resolve host `missing\.invalid`"):
        bind("missing.invalid", [0])


def test_every_address_is_taken_where_one_of_them_is(bound: Bind) -> None:
    with keep_port("0.0.0.0") as kept:
        (listener,) = bound("::1", [port_of(kept)])
        with pytest.raises(PortTaken) as taken:
            bound("", [port_of(listener)])
        assert taken.value.address == f"[::]:{port_of(listener)}"
        socket.create_server(("0.0.0.0", port_of(listener))).close()  # nothing was left behind


def test_a_port_that_is_held_is_taken(bound: Bind) -> None:
    (listener,) = bound("127.0.0.1", [0])
    with pytest.raises(PortTaken) as taken:
        bound("127.0.0.1", [port_of(listener)])
    assert (taken.value.address, taken.value.port) == (address_of(listener), port_of(listener))


def test_the_first_free_port_of_a_range_is_taken(bound: Bind) -> None:
    (held,) = bound("127.0.0.1", [0])
    with keep_port() as free:
        (listener,) = bound("127.0.0.1", [port_of(held), port_of(free), 0])
        assert port_of(listener) == port_of(free)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ComposectlError, match=r"192\.0\.2\.1:0: address not available"):
        bind("192.0.2.1", [0])
