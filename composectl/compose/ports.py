"""The ports that a service publishes, in all the ways in which `config` prints them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address

ANY = (0, 0)

_Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Port:
    """A port of the container, published on the host.

    `host_ip` is empty for all addresses; `published` is an inclusive range of host ports, of which a replica takes
    one, and (0, 0) any free one. `target` is None where each replica has a port of its own.
    """

    host_ip: str
    published: tuple[int, int]
    target: int | None
    protocol: str

    @property
    def place(self) -> str:
        """Where it is published on the host, for people."""
        first, last = self.published
        ports = str(first) if first == last else f"{first}-{last}"
        host = f"[{self.host_ip}]" if ":" in self.host_ip else self.host_ip
        return f"{host}:{ports}" if host else f"port {ports}"

    def conflicts_with(self, other: Port) -> bool:
        """Whether only one of the two can be published: on one port of one address."""
        same = self.published == other.published and self.published[0] == self.published[1] != 0
        return same and self.protocol == other.protocol and _share_addresses(self.host_ip, other.host_ip)

    @property
    def capacity(self) -> float:
        """How many replicas can hold it at once."""
        first, last = self.published
        return float("inf") if self.published == ANY else last - first + 1


def any_free_port(host_ip: str, target: int) -> str:
    """The item of `ports:` that publishes `target` at any free port of one address, whichever Compose reads it."""
    return f"[{host_ip}]::{target}" if ":" in host_ip else f"{host_ip}::{target}"


def parse_ports(entry: object) -> tuple[Port, ...]:
    """One item of `ports:`, a number, a text or a mapping, as the ports it stands for: several where it is a range.

    `9090`, `"8080:80"`, `"8000-8010:80"`, `"8000-8001:80-81/tcp"`, `"127.0.0.1::90/udp"`, `"[::1]:80:80"`,
    `{target: 80, published: "8080", host_ip: 127.0.0.1, protocol: tcp}`. Raises ValueError for anything else.
    """
    fields = entry if isinstance(entry, Mapping) else _split(str(entry))
    host_ip, protocol = str(fields.get("host_ip") or "").strip("[]"), str(fields.get("protocol") or "tcp")
    published, targets = _range(fields.get("published")), _range(fields["target"])
    return tuple(
        Port(host_ip, _share(published, targets, target), target, protocol)
        for target in range(targets[0], targets[1] + 1)
    )


# Private


def _share_addresses(one: str, other: str) -> bool:
    """Empty is all addresses, `0.0.0.0` all of IPv4, `::` all of IPv6."""
    if not one or not other:
        return True
    first, second = ip_address(one), ip_address(other)
    any_of_both = first.is_unspecified or second.is_unspecified
    return first.version == second.version and (first == second or any_of_both)


def _split(text: str) -> dict[str, str]:
    """Docker Compose 1.29 prints an IPv6 address without its brackets: the ports are the last two fields."""
    address, _, protocol = text.partition("/")
    host_ip, published, target = ["", "", *address.rsplit(":", 2)][-3:]
    return {"host_ip": host_ip, "published": published, "target": target, "protocol": protocol}


def _range(ports: object) -> _Range:
    first, _, last = str(ports or 0).partition("-")
    return int(first), int(last or first)


def _share(published: _Range, targets: _Range, target: int) -> _Range:
    """The host ports of one target: of ranges on both sides, the one that stands at the same place."""
    if published == ANY or targets[0] == targets[1]:
        return published
    host_port = published[0] + target - targets[0]
    return host_port, host_port
