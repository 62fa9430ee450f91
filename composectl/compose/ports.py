"""The ports that a service publishes, in all the ways in which `config` prints them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ANY = (0, 0)

_Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Port:
    """A port of the container, published on the host.

    `host_ip` is empty for all addresses; `published` is an inclusive range of host ports, of which a replica takes
    one, and (0, 0) any free one.
    """

    host_ip: str
    published: tuple[int, int]
    target: int
    protocol: str

    @property
    def room(self) -> float:
        """How many replicas can hold it at once."""
        first, last = self.published
        return float("inf") if self.published == ANY else last - first + 1


def parse_ports(entry: object) -> tuple[Port, ...]:
    """One item of `ports:`, a number, a text or a mapping, as the ports it stands for: several where it is a range.

    `9090`, `"8080:80"`, `"8000-8010:80"`, `"8000-8001:80-81/tcp"`, `"127.0.0.1::90/udp"`, `"[::1]:80:80"`,
    `{target: 80, published: "8080", host_ip: 127.0.0.1, protocol: tcp}`. Raises ValueError for anything else.
    """
    fields = entry if isinstance(entry, Mapping) else _split(str(entry))
    host_ip, protocol = str(fields.get("host_ip") or ""), str(fields.get("protocol") or "tcp")
    published, targets = _range(fields.get("published")), _range(fields["target"])
    return tuple(
        Port(host_ip, _share(published, targets, target), target, protocol)
        for target in range(targets[0], targets[1] + 1)
    )


# Private


def _split(text: str) -> dict[str, str]:
    """Docker Compose 1.29 prints an IPv6 address without its brackets: the ports are the last two fields."""
    address, _, protocol = text.partition("/")
    host_ip, published, target = ["", "", *address.rsplit(":", 2)][-3:]
    return {"host_ip": host_ip.strip("[]"), "published": published, "target": target, "protocol": protocol}


def _range(ports: object) -> _Range:
    first, _, last = str(ports or 0).partition("-")
    return int(first), int(last or first)


def _share(published: _Range, targets: _Range, target: int) -> _Range:
    """The host ports of one target: of ranges on both sides, the one that stands at the same place."""
    if published == ANY or targets[0] == targets[1]:
        return published
    host_port = published[0] + target - targets[0]
    return host_port, host_port
