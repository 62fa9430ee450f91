"""The address of a client: what trusted proxies tell of it, and what it has in common with its neighbours."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from socket import AF_INET6, inet_ntoa, inet_pton
from typing import Final

_NETWORK_GROUPS: Final = 4  # of 16 bits: a /64 is the least that one customer of IPv6 gets (RFC 6177)
_MAPPED: Final = b"\0" * 10 + b"\xff\xff"  # before an IPv4 address (RFC 4291, section 2.5.5.2)


def forwarded_client(forwarded_for: bytes, peer: str, is_trusted: Callable[[str], bool]) -> str:
    """The client by `X-Forwarded-For` of the trusted `peer`: the last address in it that is not a trusted proxy's.

    What is no address ends the search, and what is before it is not believed.
    """
    client = peer
    for entry in reversed(forwarded_for.split(b",")):
        address = parse_address(entry)
        if not address:
            return client
        client = address
        if not is_trusted(client):
            return client
    return client


@lru_cache(1024)
def parse_address(text: bytes) -> str:
    """The address of an entry, which may have a port, in its usual form; empty where it is none."""
    entry = text.strip(b' \t"').decode("latin-1")
    if entry.startswith("["):
        entry = entry[1:].partition("]")[0]
    elif entry.count(":") == 1:
        entry = entry.partition(":")[0]
    try:
        address = ip_address(entry.partition("%")[0])
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(address if mapped is None else mapped)


def client_key(address: str) -> str:
    """The same for all addresses of one client: one of IPv4, or a /64 of IPv6, in its usual form (RFC 5952)."""
    end = address.find(":")
    if end < 0:
        return address
    for _ in range(_NETWORK_GROUPS - 1):
        begin = end + 1
        end = address.find(":", begin)
        if end <= begin:  # zeros are left out
            return _network_of(address)
    return address[:end]


# Private


@lru_cache(1024)
def _network_of(address: str) -> str:
    try:
        packed = inet_pton(AF_INET6, address.partition("%")[0] if "%" in address else address)
    except OSError:
        return address
    if packed.startswith(_MAPPED):
        return inet_ntoa(packed[12:])
    return ":".join(f"{packed[at] << 8 | packed[at + 1]:x}" for at in range(0, 2 * _NETWORK_GROUPS, 2))
