"""The client as trusted proxies tell it, and what is one client."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from composectl.proxy.client_address import client_key, forwarded_client, parse_address

PROXY = "10.0.0.1"


def is_trusted(address: str) -> bool:
    return address.startswith("10.")


@pytest.mark.parametrize(
    ("told", "client"),
    [
        (b"", PROXY),
        (b"192.0.2.1", "192.0.2.1"),
        (b" 192.0.2.1 , 10.0.0.2", "192.0.2.1"),
        (b"198.51.100.7, 192.0.2.1, 10.0.0.2", "192.0.2.1"),  # what the client wrote itself is not believed
        (b"192.0.2.1:4711", "192.0.2.1"),
        (b'"[2001:db8::1]:443"', "2001:db8::1"),
        (b"2001:DB8:0::1", "2001:db8::1"),
        (b"::ffff:192.0.2.1", "192.0.2.1"),
        (b"10.0.0.9, 10.0.0.2", "10.0.0.9"),
        (b"192.0.2.1, unknown", PROXY),
        (b"192.0.2.1, unknown, 10.0.0.2", "10.0.0.2"),
        (b"192.0.2.1,", PROXY),
        (b"010.0.0.1", PROXY),
        (b"\xff\x00", PROXY),
    ],
)
def test_the_client_is_the_last_address_that_is_no_trusted_proxy(told: bytes, client: str) -> None:
    assert forwarded_client(told, PROXY, is_trusted) == client


@pytest.mark.parametrize("text", [b"", b"1.2.3", b"1.2.3.4.5", b"[::1", b"a:b", b"1e3.0.0.1", b"fe80::1%eth0"])
def test_an_address_is_read_strictly(text: bytes) -> None:
    assert parse_address(text) in ("", "::1", "fe80::1")


@pytest.mark.parametrize(
    ("one", "another", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("2001:db8::1", "2001:db8:0:0:1::", True),
        ("2001:db8:a:b::1", "2001:db8:a:b:1:2:3:4", True),
        ("2001:db8:a::1", "2001:db8:a:0:1:2:3:4", True),
        ("2001:db8:a:b::1", "2001:db8:a:b1::1", False),
        ("::1", "::2", True),
        ("1:2:3::", "1:2:3:0:1:2:3:4", True),
        ("1::", "1:0:0:1::", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("unknown", "unknown", True),
        ("a:b", "a:b", True),
    ],
)
def test_one_client_is_an_address_or_a_64(one: str, another: str, same: bool) -> None:
    assert (client_key(one) == client_key(another)) is same


@given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
def test_all_addresses_of_a_64_are_one_client(address: IPv6Address, host: int) -> None:
    neighbour = IPv6Address(int(address) >> 64 << 64 | host)
    assume(not (address.ipv4_mapped or neighbour.ipv4_mapped))
    stranger = IPv6Address(int(address) ^ 1 << 64)
    assert client_key(str(address)) == client_key(str(neighbour))
    assert client_key(str(address)) != client_key(str(stranger))
