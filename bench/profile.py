"""`python -m bench.profile [PART]`: where the CPU time of composectl goes, by library and by function (perf).

PART is `cpu`, `cpu-traced`, `https`, `https-h2` or `https-full`; the first one by default.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.backends import Backends, serving
from bench.parts import cpu, https
from bench.parts.cpu import CPU, SPEED
from bench.parts.part import Part, Target
from bench.peers.ours import WITHOUT_TABLE
from bench.peers.peer import Place
from bench.ports import free_ports

_PARTS = {part.name: part for part in (cpu.PART, cpu.TRACED, *https.PARTS)}
_SECONDS = 5
_HERTZ = "4999"
_LEAST_PERCENT = "0.7"


def main() -> None:
    """Load the proxy, sample it meanwhile, and print the shares."""
    part = _PARTS[sys.argv[1]] if len(sys.argv) > 1 else cpu.PART
    with tempfile.TemporaryDirectory() as name, _proxy(part, Path(name)) as target:
        part.measure(target, 1)
        with _sampled(target.pid, target.folder / "samples"):
            figures = part.measure(target, _SECONDS)
        print(f"{figures[CPU]:.1f} µs/request, {figures[SPEED]:,.0f} requests/s, while being sampled")
        for key in ("dso", "symbol"):
            print(_shares(target.folder / "samples", key))


# Private


@contextmanager
def _proxy(part: Part, folder: Path) -> Iterator[Target]:
    folder.chmod(0o755)
    own = folder / "proxy"
    own.mkdir(mode=0o700)
    (port,) = free_ports(1)
    with (part.behind or _plain)(4, folder) as backends, WITHOUT_TABLE.start(Place(port, backends, own)) as pid:
        yield Target(pid, port, own, backends=backends)


@contextmanager
def _plain(count: int, folder: Path) -> Iterator[Backends]:
    backends = Backends(count, free_ports(1)[0])
    with serving(backends, folder):
        yield backends


@contextmanager
def _sampled(pid: int, samples: Path) -> Iterator[None]:
    command = ["perf", "record", "-q", "-e", "cpu-clock", "-F", _HERTZ, "-p", str(pid), "-o", str(samples)]
    perf = subprocess.Popen([*command, "--", "sleep", str(_SECONDS)], stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        perf.wait()


def _shares(samples: Path, key: str) -> str:
    command = ["perf", "report", "-i", str(samples), "--stdio", "--sort", key, "--percent-limit", _LEAST_PERCENT]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return "\n".join(line.rstrip() for line in printed.splitlines() if line and not line.startswith("#"))


if __name__ == "__main__":
    main()
