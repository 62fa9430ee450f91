"""The PROXY protocol: what is written is read again, in whatever pieces, and nothing else is taken for it."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composectl.proxy.proxy_protocol import (
    Address,
    BadProxyHeader,
    ProxyHeader,
    encode_binary,
    encode_line,
    parse,
)

Encode = Callable[[Address, Address], bytes]

_PORTS = st.integers(0, 65_535)
_IPV4 = st.tuples(st.ip_addresses(v=4).map(str), _PORTS)
_IPV6 = st.tuples(st.ip_addresses(v=6).filter(lambda address: address.ipv4_mapped is None).map(str), _PORTS)
_PAIRS = st.one_of(st.tuples(_IPV4, _IPV4), st.tuples(_IPV6, _IPV6))
_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


@pytest.mark.parametrize("encode", [encode_line, encode_binary])
@given(pair=_PAIRS, behind=st.binary(max_size=40))
def test_what_is_written_is_read_again(encode: Encode, pair: tuple[Address, Address], behind: bytes) -> None:
    client, server = pair
    header = encode(client, server)
    assert parse(header + behind) == ProxyHeader(client, len(header))


@pytest.mark.parametrize("encode", [encode_line, encode_binary])
@given(pair=_PAIRS)
def test_a_part_of_a_header_waits_for_the_rest(encode: Encode, pair: tuple[Address, Address]) -> None:
    header = encode(*pair)
    assert [parse(header[:size]) for size in range(len(header))] == [None] * len(header)


@given(st.binary(max_size=300))
def test_other_bytes_are_refused_or_need_more(data: bytes) -> None:
    try:
        parse(data)
    except BadProxyHeader:
        assert data


def test_the_example_of_the_specification() -> None:
    line = b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"
    assert parse(line + b"GET / HTTP/1.1\r\n") == ProxyHeader(("192.168.0.1", 56324), len(line))
    assert encode_line(("192.168.0.1", 56324), ("192.168.0.11", 443)) == line


@pytest.mark.parametrize(
    "line",
    [
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n",
        _SIGNATURE + b"\x20\x00\x00\x00",
        _SIGNATURE + b"\x20\x11\x00\x0c" + bytes(12),
        _SIGNATURE + b"\x21\x31\x00\xd8" + bytes(216),
        _SIGNATURE + b"\x21\x00\x00\x03\x04\x00\x00",
    ],
)
def test_a_connection_may_speak_for_itself(line: bytes) -> None:
    assert parse(line) == ProxyHeader(None, len(line))


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"PROXY TCP4 192.168.0.1 192.168.0.11 56324\r\n",
        b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\n",
        b"PROXY TCP4  192.168.0.1 192.168.0.11 56324 443\r\n",
        b"PROXY TCP4 ::1 ::1 56324 443\r\n",
        b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
        b"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY TCP4 192.168.0.1 192.168.0.11 65536 443\r\n",
        b"PROXY TCP4 192.168.0.1 192.168.0.11 0443 443\r\n",
        b"PROXY TCP4 192.168.0.1 192.168.0.999 1 443\r\n",
        b"PROXY TCP5 192.168.0.1 192.168.0.11 1 443\r\n",
        b"PROXY TCP4 " + b"1" * 120,
        b"PROXY UNKNOWN " + b"x" * 100 + b"\r\n",
        _SIGNATURE + b"\x11\x11\x00\x0c" + bytes(12),
        _SIGNATURE + b"\x22\x11\x00\x0c" + bytes(12),
        _SIGNATURE + b"\x21\x11\x00\x0b" + bytes(11),
        _SIGNATURE + b"\x21\x11\xff\xff",
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(BadProxyHeader):
        parse(data)


def test_ipv4_in_the_clothes_of_ipv6_is_ipv4() -> None:
    client, server = ("::ffff:10.0.0.7", 4711), ("::ffff:10.0.0.1", 80)
    assert encode_line(client, server) == b"PROXY TCP4 10.0.0.7 10.0.0.1 4711 80\r\n"
    header = _SIGNATURE + b"\x21\x21\x00\x24" + IPv6Address(client[0]).packed * 2 + b"\x12\x67\x00\x50"
    assert parse(header) == ProxyHeader(("10.0.0.7", 4711), len(header))


def test_addresses_of_two_families_are_not_told() -> None:
    client, server = (str(IPv4Address(1)), 1), (str(IPv6Address(1)), 2)
    assert parse(encode_line(client, server)) == ProxyHeader(None, len(b"PROXY UNKNOWN\r\n"))
    assert parse(encode_binary(client, server)) == ProxyHeader(None, 16)
