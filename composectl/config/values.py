"""Addresses as they are typed: `HOST:PORT` of a backend, `[HOST:]PORT` of a listener."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from composectl import errors
from composectl.balance.snapshot import join_address
from composectl.compose.ports import Port
from composectl.proxy.limits import Limits

_LABEL = r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\.?")
_NUMBERS = re.compile(r"[0-9.]+")
_DURATION = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)(ms|s|m|)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "": 1.0}
_SHARE = re.compile(r"([0-9]{1,2}(?:\.[0-9]{1,2})?)%")
OptionName = Callable[[str], str]
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_SIZE = re.compile(r"([1-9][0-9]{0,11})([kmg]?)")
_SIZE_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


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


def parse_listen(text: str, target: int | None) -> Port:
    """`[HOST:]PORT[:TARGET]` as a port to listen on; `target` where it names none. Raises `bad_listen`."""
    address, _, last = text.rpartition(":")
    host, _, middle = address.rpartition(":")
    if middle.isdigit():
        return _port(text, host, middle, last)
    return _port(text, "", address, last) if address.isdigit() else _port(text, address, last, target)


def parse_duration(option: str, text: str) -> float:
    """Its seconds. Raises `bad_duration`."""
    duration = _DURATION.fullmatch(text)
    if duration is None:
        raise errors.bad_duration(option, text)
    return float(duration[1]) * _UNITS[duration[2]]


def parse_share(option: str, text: str) -> float:
    """The part of 1, above 0 and below 1. Raises `bad_share`."""
    share = _SHARE.fullmatch(text)
    if share is None or not float(share[1]):
        raise errors.bad_share(option, text)
    return float(share[1]) / 100


def flag_name(option: str) -> str:
    """How an option is name_of on the command line."""
    return "--" + option.replace("_", "-")


def limits(given: Mapping[str, Any], name_of: OptionName = flag_name) -> Limits:
    """The limits behind the options as the command line gives them. Raises ComposectlError."""
    return Limits(
        response_timeout=number(given, "response_timeout", name_of=name_of),
        idle_timeout=number(given, "idle_timeout", name_of=name_of),
        max_request_body=None
        if given["max_request_body"] is None
        else parse_size(given["max_request_body"], name_of("max_request_body")),
        trusted_proxies=tuple(parse_network(text, name_of("trusted_proxies")) for text in given["trusted_proxies"]),
        allowed_hosts=frozenset(parse_host(text, name_of("allowed_host")) for text in given["allowed_host"]),
    )


def _body_size(text: str | None, name_of: OptionName) -> int | None:
    return None if text is None else parse_size(text, name_of("max_request_body"))


def number(given: Mapping[str, Any], option: str, *, least: int = 1, name_of: OptionName = flag_name) -> int | None:
    """The whole number from `least`, 0 or 1, that was given for this option, or None. Raises `bad_number`."""
    text = given[option]
    if text is None:
        return None
    if not (_NUMBER.fullmatch(text) or text == "0" == str(least)):
        raise errors.bad_number(name_of(option), text, least)
    return int(text)


def parse_size(text: str, option: str = "--max-request-body") -> int:
    """The bytes of `10m`, `512k`, `1g` or `1000`. Raises `bad_size`."""
    size = _SIZE.fullmatch(text.lower())
    if size is None:
        raise errors.bad_size(option, text)
    return int(size[1]) * _SIZE_UNITS[size[2]]


def parse_network(text: str, option: str = "--trusted-proxies") -> IPv4Network | IPv6Network:
    """A network as `10.0.0.0/8`, or a single address. Raises `bad_network`."""
    try:
        return ip_network(text)
    except ValueError:
        raise errors.bad_network(option, text) from None


def parse_host(text: str, option: str = "--allowed-host") -> bytes:
    """A name or an address as it stands in `Host`, in lower case and without a dot at its end. Raises `bad_host`."""
    if not is_host(text):
        raise errors.bad_host(option, text)
    return text.lower().removesuffix(".").encode()


# Private


def _is_ipv6(text: str) -> bool:
    return is_address(text) and isinstance(ip_address(text), IPv6Address) and "%" not in text


def _port(text: str, host: str, port: str, target: str | int | None) -> Port:
    host = host.strip("[]")
    if not (is_port(port) and (target is None or is_port(str(target))) and (not host or is_address(host))):
        raise errors.bad_listen(text)
    return Port(host, (int(port), int(port)), None if target is None else int(target), "tcp")
