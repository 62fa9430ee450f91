"""What the short commands take, from their start to their end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

from bench.figures import FAILED, Figure
from bench.parts.part import Part, Target
from bench.peers.ours import INSTALLED, NAME

VERSION = Figure("--version", "ms of CPU", 0)
STATUS = Figure("status", "ms of CPU", 0)


def cpu_of(words: list[str], environment: Mapping[str, str]) -> tuple[float, int]:
    """The CPU milliseconds that `composectl WORDS` takes, and its exit code."""
    command = [sys.executable, "-P", "-m", "composectl", *words]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(INSTALLED), **environment}
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return (used.ru_utime + used.ru_stime) * 1000, process.returncode


# Private


def _measure(target: Target, _: int) -> Mapping[Figure, float]:
    version, failed = cpu_of(["--version"], {})
    status, failed_too = cpu_of(["-p", NAME, "status"], {"XDG_RUNTIME_DIR": str(target.folder)})
    return {VERSION: version, STATUS: status, FAILED: bool(failed) + bool(failed_too)}


PART = Part("commands", "The short commands", (VERSION, STATUS), _measure, only=("composectl",))
