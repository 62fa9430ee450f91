"""Where to listen, as it is typed: `[HOST:]PORT[:TARGET]`."""

from __future__ import annotations

from composectl import errors
from composectl.commands.addresses import is_address, is_port
from composectl.compose.ports import Port


def parse_listen(text: str, target: int) -> Port:
    """`[HOST:]PORT[:TARGET]` as a port to listen on; `target` where it names none. Raises `bad_listen`."""
    address, _, last = text.rpartition(":")
    host, _, middle = address.rpartition(":")
    if middle.isdigit():
        return _port(text, host, middle, last)
    return _port(text, "", address, last) if address.isdigit() else _port(text, address, last, str(target))


# Private


def _port(text: str, host: str, port: str, target: str) -> Port:
    host = host.strip("[]")
    if not (is_port(port) and is_port(target) and (not host or is_address(host))):
        raise errors.bad_listen(text)
    return Port(host, (int(port), int(port)), int(target), "tcp")
