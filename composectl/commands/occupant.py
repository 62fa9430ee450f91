"""Who holds a port that was to be ours."""

from __future__ import annotations

from pathlib import Path

from composectl.control.client import running
from composectl.proxy.holder import process_on


def occupant(port: int, folder: Path) -> str:
    """Another composectl of this user, with its sockets in `folder`, or else a process; empty where it is not known."""
    for client in running(folder):
        if any(listener.rpartition(":")[2] == str(port) for listener in client.about.listeners):
            return f"composectl of {client.about.title}"
    return process_on(port)
