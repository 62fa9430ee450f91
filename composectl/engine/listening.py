"""On which addresses the processes of a container accept connections, as the kernel of this machine tells."""

from __future__ import annotations

import sys
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

_LISTEN = "0A"  # TCP_LISTEN in /proc/net/tcp (proc(5))
_RESOLVER = "127.0.0.11"  # the engine's own, in each container
_WORD = 4

Listening = tuple[tuple[str, int], ...]


def listening(pid: int, address: str, proc: Path = Path("/proc")) -> Listening | None:
    """The addresses and ports in the network of the process `pid`, which is to have `address`.

    None where this kernel does not know such a process: the engine is on another machine, or in another namespace.
    """
    net = proc / str(pid) / "net"
    try:
        if not pid or address not in (net / "fib_trie").read_text().split():
            return None
        tables = [(net / name).read_text() for name in ("tcp", "tcp6") if (net / name).exists()]
    except OSError:
        return None
    return tuple(sorted({found for table in tables for found in parse_listeners(table)}))


def parse_listeners(table: str) -> Listening:
    """The listeners in a text of /proc/net/tcp or /proc/net/tcp6, without the engine's resolver."""
    rows = (line.split() for line in table.splitlines()[1:])
    found = [_place(row[1]) for row in rows if len(row) > _WORD - 1 and row[3] == _LISTEN]
    return tuple((host, port) for host, port in found if host != _RESOLVER)


# Private


def _place(text: str) -> tuple[str, int]:
    """`0100007F:1F90` is 127.0.0.1 and 8080: words of four bytes in the machine's order, and a port."""
    digits, _, port = text.partition(":")
    raw = bytes.fromhex(digits)
    words = [raw[at : at + _WORD] for at in range(0, len(raw), _WORD)]
    packed = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    host = ip_address(packed)
    return str(_unmapped(host)), int(port, 16)


def _unmapped(host: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    return host.ipv4_mapped or host if isinstance(host, IPv6Address) else host
