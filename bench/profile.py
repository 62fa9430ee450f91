"""`python -m bench.profile`: where the CPU time of composectl goes, by library and by function, as perf samples it."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.backends import Backends, serving
from bench.parts.cpu import CPU, SPEED, measure
from bench.parts.part import Target
from bench.peers.ours import WITHOUT_TABLE
from bench.peers.peer import Place
from bench.ports import free_ports
from bench.wrk import Load, put

_SECONDS = 5
_HERTZ = "4999"
_LEAST_PERCENT = "0.7"


def main() -> None:
    """Load the proxy, sample it meanwhile, and print the shares."""
    with tempfile.TemporaryDirectory() as name, _proxy(Path(name)) as target:
        put(Load(), target.port, 1)
        with _sampled(target.pid, target.folder / "samples"):
            _, figures = measure(Load(), target, _SECONDS)
        print(f"{figures[CPU]:.1f} µs/request, {figures[SPEED]:,.0f} requests/s, while being sampled")
        for key in ("dso", "symbol"):
            print(_shares(target.folder / "samples", key))


# Private


@contextmanager
def _proxy(folder: Path) -> Iterator[Target]:
    folder.chmod(0o755)
    proxy_port, backend_port = free_ports(2)
    backends = Backends(4, backend_port)
    with serving(backends, folder), WITHOUT_TABLE.start(Place(proxy_port, backends, folder)) as pid:
        yield Target(pid, proxy_port, folder)


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
