"""Which process holds a port, as far as Linux tells."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_LISTEN = "0A"  # TCP_LISTEN in /proc/net/tcp (proc(5))


def process_on(port: int) -> str:
    """`NAME (process PID)` of the listener on this TCP port; empty where it cannot be known."""
    links = {f"socket:[{inode}]" for inode in _inodes(port)}
    for process in Path("/proc").glob("[0-9]*"):
        if links and links & set(_links(process)):
            name = "a process"
            with suppress(OSError):
                name = (process / "comm").read_text().strip()
            return f"{name} (process {process.name})"
    return ""


# Private


def _inodes(port: int) -> Iterator[str]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                    yield fields[9]


def _links(process: Path) -> Iterator[str]:
    with suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):
                yield os.readlink(descriptor)
