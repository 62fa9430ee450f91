"""The ports that a service publishes, in all the ways in which `config` prints them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address

ANY = (0, 0)
_LAST = 65535
_BASE = 60


@dataclass(frozen=True, slots=True)
class Port:
    """A port of the container, published on the host at one of an inclusive range of ports; (0, 0) is any free one.

    `host_ip` is "" for all addresses; `target` is None where each replica has a port of its own. `app_protocol`: as the
    compose file writes it.
    """

    host_ip: str
    published: tuple[int, int]
    target: int | None
    protocol: str
    app_protocol: str = ""

    def __str__(self) -> str:
        """As in a compose file."""
        return f"{self.place.removeprefix('port ')}:{self.target}"

    @property
    def place(self) -> str:
        """Where it is published on the host, for people."""
        first, last = self.published
        ports = str(first) if first == last else f"{first}-{last}"
        host = f"[{self.host_ip}]" if ":" in self.host_ip else self.host_ip
        return f"{host}:{ports}" if host else f"port {ports}"

    @property
    def is_fixed(self) -> bool:
        """Whether it is published on one port of the host, and not on any, or on one of a range."""
        first, last = self.published
        return 0 != first == last

    def conflicts_with(self, other: Port) -> bool:
        """Whether only one of the two can be published: on one port of one address."""
        if (self.published, self.protocol) != (other.published, other.protocol) or not self.is_fixed:
            return False
        if not self.host_ip or not other.host_ip:  # all addresses
            return True
        own, theirs = ip_address(self.host_ip), ip_address(other.host_ip)
        return own.version == theirs.version and (own == theirs or own.is_unspecified or theirs.is_unspecified)

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
    `{target: 80, published: "8080", host_ip: 127.0.0.1, protocol: tcp}`. Raises ValueError for anything else, and for
    what is no port.
    """
    fields = entry if isinstance(entry, Mapping) else _split(str(entry))
    host_ip, protocol = str(fields.get("host_ip") or "").strip("[]"), str(fields.get("protocol") or "tcp")
    app_protocol = str(fields.get("app_protocol") or "")
    published, (first, last) = _range(fields.get("published")), _range(fields["target"])
    if not 0 < first <= last <= _LAST or not published[0] <= published[1] <= _LAST:
        raise ValueError(entry)
    if published == ANY or first == last:
        return tuple(Port(host_ip, published, target, protocol, app_protocol) for target in range(first, last + 1))
    # Of ranges on both sides, each target has the host port at the same place.
    pairs = ((published[0] + target - first, target) for target in range(first, last + 1))
    return tuple(Port(host_ip, (host_port, host_port), target, protocol, app_protocol) for host_port, target in pairs)


def base_60(entry: object) -> str:
    """What stands in the file where YAML 1.1 made an impossible port of it: `18222:22` of 1093342; "" of others."""
    number = entry.get("target") if isinstance(entry, Mapping) else entry
    if not str(number).isdecimal() or not _LAST < int(str(number)) < _BASE * (_LAST + 1):
        return ""
    published, target = divmod(int(str(number)), _BASE)
    return f"{published}:{target}"


# Private


def _split(text: str) -> dict[str, str]:
    """Docker Compose 1.29 prints an IPv6 address without its brackets: the ports are the last two fields."""
    address, _, protocol = text.partition("/")
    host_ip, published, target = ["", "", *address.rsplit(":", 2)][-3:]
    return {"host_ip": host_ip, "published": published, "target": target, "protocol": protocol}


def _range(ports: object) -> tuple[int, int]:
    first, _, last = str(ports or 0).partition("-")
    return int(first), int(last or first)
