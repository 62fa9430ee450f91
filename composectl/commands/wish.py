"""What `composectl up` was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from composectl import errors
from composectl.commands.addresses import is_address, is_port
from composectl.commands.balancing import Balancing
from composectl.compose.argv import UpArguments, parse_scale, sort_up_arguments
from composectl.compose.ports import Port


@dataclass(frozen=True, slots=True)
class Wish:
    """`scales`: how many replicas of which service; `listen`: where to listen in place of the published ports.

    `ready_seconds`: how long `-d` waits for the first backend. `handover`: take over from the composectl that runs.
    """

    scales: dict[str, int]
    balancing: Balancing
    listen: tuple[str, ...]
    detach: bool
    ready_seconds: float
    arguments: UpArguments
    handover: bool = False


def make_wish(
    balance: Sequence[str],
    balancing: Balancing,
    listen: Sequence[str],
    *,
    detach: bool,
    ready_seconds: float,
    arguments: Sequence[str],
    handover: bool = False,
) -> Wish:
    """The wish behind the words of a command line. Raises ComposectlError where they make no sense."""
    scales = parse_scales(balance)
    if listen and len(scales) > 1:
        raise errors.listen_for_whom()
    for text in listen:
        parse_listen(text, 0)
    sorted_arguments = sort_up_arguments(arguments, scales)
    return Wish(scales, balancing, tuple(listen), detach, ready_seconds, sorted_arguments, handover)


def parse_scales(texts: Sequence[str]) -> dict[str, int]:
    """Each `SERVICE=N`, by service. Raises what `parse_scale` does, and `balanced_twice`."""
    scales: dict[str, int] = {}
    for text in texts:
        service, scale = parse_scale(text)
        if service in scales:
            raise errors.balanced_twice(service)
        scales[service] = scale
    return scales


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
