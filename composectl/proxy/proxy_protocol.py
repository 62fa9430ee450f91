"""The PROXY protocol, both versions (haproxy.org, proxy-protocol.txt): what a proxy tells of its client up front."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from struct import Struct
from typing import Final

Address = tuple[str, int]

_SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
_HEADER: Final = Struct("!12sBBH")  # signature, version and command, family and transport, length of the rest
_LOCAL: Final = 0x20
_PROXY: Final = 0x21
_UNSPECIFIED: Final = 0x00
_TCP4: Final = 0x11
_TCP6: Final = 0x21
_ADDRESSES: Final = {_TCP4: Struct("!4s4sHH"), _TCP6: Struct("!16s16sHH")}
_MOST: Final = 4_096  # bytes of version 2; addresses take up to 216, extensions the rest
_LONGEST_LINE: Final = 107
_FIRST_WORD: Final = b"PROXY "
_LINE: Final = re.compile(rb"PROXY (TCP[46]) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) (0|[1-9]\d{0,4}) (0|[1-9]\d{0,4})\r\n")
_UNKNOWN: Final = re.compile(rb"PROXY UNKNOWN(?: [^\r\n]*)?\r\n")
_HIGHEST_PORT: Final = 65_535


class BadProxyHeader(Exception):
    """These bytes begin no connection that speaks the PROXY protocol."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """`client`: None where the connection speaks for itself, as health checks do. `size`: of the header, in bytes."""

    client: Address | None
    size: int


def parse(data: bytes) -> ProxyHeader | None:
    """The header that `data` begins with; None while more of it must come. Raises BadProxyHeader."""
    if data.startswith(_SIGNATURE[: len(data)]):
        return _parse_binary(data) if len(data) >= _HEADER.size else None
    if data.startswith(_FIRST_WORD[: len(data)]):
        return _parse_line(data)
    raise BadProxyHeader


def encode_line(client: Address, server: Address) -> bytes:
    """Version 1; the addresses of client and server."""
    source, destination = _unmapped(client), _unmapped(server)
    if source.version != destination.version:
        return b"PROXY UNKNOWN\r\n"
    return f"PROXY TCP{source.version} {source} {destination} {client[1]} {server[1]}\r\n".encode()


def encode_binary(client: Address, server: Address) -> bytes:
    """Version 2; the addresses of client and server."""
    source, destination = _unmapped(client), _unmapped(server)
    if source.version != destination.version:
        return _HEADER.pack(_SIGNATURE, _PROXY, _UNSPECIFIED, 0)
    family = _TCP4 if source.version == 4 else _TCP6
    addresses = _ADDRESSES[family].pack(source.packed, destination.packed, client[1], server[1])
    return _HEADER.pack(_SIGNATURE, _PROXY, family, len(addresses)) + addresses


ENCODERS: Final = {"v1": encode_line, "v2": encode_binary}


# Private


def _parse_line(data: bytes) -> ProxyHeader | None:
    end = data.find(b"\n", 0, _LONGEST_LINE) + 1
    if not end:
        if len(data) >= _LONGEST_LINE:
            raise BadProxyHeader
        return None
    line = data[:end]
    if _UNKNOWN.fullmatch(line):
        return ProxyHeader(None, end)
    found = _LINE.fullmatch(line)
    if found is None:
        raise BadProxyHeader
    family, source, destination, port, other_port = found.groups()
    kind = IPv4Address if family == b"TCP4" else IPv6Address
    try:
        client = kind(source.decode("ascii"))
        kind(destination.decode("ascii"))
    except ValueError:
        raise BadProxyHeader from None
    if max(int(port), int(other_port)) > _HIGHEST_PORT:
        raise BadProxyHeader
    return ProxyHeader((str(_mapped_or_not(client)), int(port)), end)


def _parse_binary(data: bytes) -> ProxyHeader | None:
    _, command, family, length = _HEADER.unpack_from(data)
    size = _HEADER.size + length
    if command not in (_LOCAL, _PROXY) or size > _MOST:
        raise BadProxyHeader
    if len(data) < size:
        return None
    layout = _ADDRESSES.get(family)
    if command == _LOCAL or layout is None:
        return ProxyHeader(None, size)
    if length < layout.size:
        raise BadProxyHeader
    source, _, port, _ = layout.unpack_from(data, _HEADER.size)
    return ProxyHeader((str(_mapped_or_not(ip_address(source))), port), size)


def _unmapped(address: Address) -> IPv4Address | IPv6Address:
    return _mapped_or_not(ip_address(address[0].partition("%")[0]))


def _mapped_or_not(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """An IPv4 address where it is one in the clothes of IPv6 (RFC 4291, section 2.5.5.2)."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped
