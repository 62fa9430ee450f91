"""Who holds a port that was to be ours."""

from __future__ import annotations

from pathlib import Path

from composectl.control.about import About
from composectl.control.client import running
from composectl.proxy.holder import process_on


def occupant(port: int, folder: Path) -> str:
    """Another composectl of this user, with its sockets in `folder`, or else a process; empty where it is not known."""
    for client in running(folder):
        if any(place.rpartition(":")[2] == str(port) for place in _places(client.about)):
            return f"composectl of {client.about.title}"
    return process_on(port)


# Private


def _places(about: About) -> tuple[str, ...]:
    """Where it listens, as `host:port`."""
    return (*about.listeners, about.metrics.removesuffix("/metrics"), about.dashboard.removesuffix("/"))
