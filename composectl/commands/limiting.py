"""The limits of a listener, as they are typed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from composectl import errors
from composectl.commands.addresses import is_host
from composectl.proxy.limits import Limits

Spelling = Callable[[str], str]

_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_SIZE = re.compile(r"([1-9][0-9]{0,11})([kmg]?)")
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


def as_flag(option: str) -> str:
    """How an option is spelled on the command line."""
    return "--" + option.replace("_", "-")


def limits(given: Mapping[str, Any], spelled: Spelling = as_flag) -> Limits:
    """The limits behind the options as the command line gives them. Raises ComposectlError."""
    return Limits(
        head_seconds=number(given, "timeout", spelled=spelled),
        stall_seconds=number(given, "stall_timeout", spelled=spelled),
        body_bytes=None if given["max_body"] is None else parse_size(given["max_body"], spelled("max_body")),
        trusted=tuple(parse_network(text, spelled("trust")) for text in given["trust"]),
        hosts=frozenset(parse_host(text, spelled("allow_host")) for text in given["allow_host"]),
    )


def number(given: Mapping[str, Any], option: str, *, least: int = 1, spelled: Spelling = as_flag) -> int | None:
    """The whole number from `least`, 0 or 1, that was given for this option, or None. Raises `bad_number`."""
    text = given[option]
    if text is None:
        return None
    if not (_NUMBER.fullmatch(text) or text == "0" == str(least)):
        raise errors.bad_number(spelled(option), text, least)
    return int(text)


def parse_size(text: str, option: str = "--max-body") -> int:
    """The bytes of `10m`, `512k`, `1g` or `1000`. Raises `bad_size`."""
    size = _SIZE.fullmatch(text.lower())
    if size is None:
        raise errors.bad_size(option, text)
    return int(size[1]) * _UNITS[size[2]]


def parse_network(text: str, option: str = "--trust") -> IPv4Network | IPv6Network:
    """A network as `10.0.0.0/8`, or a single address. Raises `bad_network`."""
    try:
        return ip_network(text)
    except ValueError:
        raise errors.bad_network(option, text) from None


def parse_host(text: str, option: str = "--allow-host") -> bytes:
    """A name or an address as it stands in `Host`, in lower case and without a dot at its end. Raises `bad_host`."""
    if not is_host(text):
        raise errors.bad_host(option, text)
    return text.lower().removesuffix(".").encode()
