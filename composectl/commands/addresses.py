"""Addresses as they are typed: `HOST:PORT` of a backend, `[HOST:]PORT` of a listener."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from composectl import errors
from composectl.balance.snapshot import join_address

_LABEL = r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\.?")
_NUMBERS = re.compile(r"[0-9.]+")


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP port of a host: a name, IPv4, or IPv6 without brackets; empty for all addresses of this machine."""

    host: str
    port: int

    def __str__(self) -> str:
        return join_address(self.host, self.port) if self.host else str(self.port)


def parse_backend(text: str) -> Address:
    """`HOST:PORT`, with brackets round an IPv6 address. Raises `bad_backend`."""
    host, _, port = text.rpartition(":")
    if not (is_host(host) and is_port(port) and int(port)):
        raise errors.bad_backend(text)
    return Address(host.strip("[]"), int(port))


def parse_listener(text: str) -> Address:
    """`[HOST:]PORT`, where port 0 is any free one. Raises `bad_listener`."""
    host, colon, port = text.rpartition(":")
    if not (is_port(port) and (is_host(host) or not colon)):
        raise errors.bad_listener(text)
    return Address(host.strip("[]"), int(port))


def parse_target(text: str) -> int:
    """A port of a container. Raises `bad_container_port`."""
    if not (is_port(text) and int(text)):
        raise errors.bad_container_port(text)
    return int(text)


def parse_each(option: str, parse: Callable[[str], Address], texts: Sequence[str]) -> tuple[Address, ...]:
    """The addresses that were given for an option. Raises what `parse` does, and `given_twice`."""
    addresses: list[Address] = []
    for text in texts:
        address = parse(text)
        if address in addresses:
            raise errors.given_twice(option, str(address))
        addresses.append(address)
    return tuple(addresses)


def is_host(text: str) -> bool:
    """Whether it is a name, an IPv4 address, or an IPv6 address in brackets."""
    if text.startswith("["):
        return text.endswith("]") and _is_ipv6(text[1:-1])
    return is_address(text) if _NUMBERS.fullmatch(text) else _NAME.fullmatch(text) is not None


def is_port(text: str) -> bool:
    """Whether it is a whole number below 65536."""
    return text.isascii() and text.isdecimal() and len(text) < 6 and int(text) < 65536


def is_address(text: str) -> bool:
    """Whether it is an IPv4 address, or an IPv6 address without brackets."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


# Private


def _is_ipv6(text: str) -> bool:
    return is_address(text) and isinstance(ip_address(text), IPv6Address) and "%" not in text
