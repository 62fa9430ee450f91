"""What it was measured on, and with."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from bench.peers.peer import Peer


def machine() -> str:
    """The processor, its cores and the kernel."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    cores = os.cpu_count()
    kernel = f"{platform.system()} {platform.release().partition('-')[0]}"
    return f"{model[1] if model else platform.machine()}, {cores} cores, {kernel}"


def versions(peers: Iterable[Peer]) -> dict[str, str]:
    """What each peer says that it is, and Python."""
    return {peer.name: _version(peer.version) for peer in peers} | {"Python": platform.python_version()}


# Private


def _version(command: tuple[str, ...]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"\d+\.\d+(?:\.\d+)?", done.stdout + done.stderr)
    return found[0] if found else "unknown"
