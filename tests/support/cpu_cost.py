"""What a command costs: CPU of whole processes, the least of several, in seconds of a machine that is not busy."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_RUNS = 7
# What a program of Python of this size takes where the bounds are meant; on a slower or busier machine it is more.
_REFERENCE = (sys.executable, "-c", "import asyncio, argparse, http.client, json, logging")
_REFERENCE_SECONDS = 0.05


def least_cpu(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> float:
    """Seconds, user and system, of the cheapest run, scaled by what the reference takes in the same minute."""
    runs = [(_cpu(_REFERENCE, folder, environment), _cpu(command, folder, environment)) for _ in range(_RUNS)]
    reference, ours = (min(seconds) for seconds in zip(*runs, strict=True))
    return ours / max(1.0, reference / _REFERENCE_SECONDS)


# Private


def _cpu(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> float:
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime
