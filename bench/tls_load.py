"""Load over TLS, on the core of the load: requests of HTTP/2 by h2load, and full handshakes by openssl."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.backends import Backends, serving
from bench.cores import LOAD_CORE, on
from bench.ports import free_ports
from bench.wrk import Outcome
from composectl.certificates.authority import Authority

CONNECTIONS, STREAMS = 16, 8
HANDSHAKERS = 4
_COUNTS = re.compile(
    r"requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded.*traffic: .*?\((\d+)\) total", re.S
)
_CONNECTED = re.compile(r"(\d+) connections in (\d+) real seconds, (\d+) bytes read per connection")


@contextmanager
def encrypted(count: int, folder: Path) -> Iterator[Backends]:
    """So many backends, and a certificate (ECDSA, P-256) for the proxies before them."""
    authority = folder / "authority"
    authority.mkdir()
    pem = Authority(authority).issue(["localhost", "127.0.0.1"])
    backends = Backends(count, free_ports(1)[0], certificate=pem)
    with serving(backends, folder):
        yield backends


def ask(port: int, seconds: int) -> Outcome:
    """Requests of HTTP/2 as fast as they go."""
    address = f"https://127.0.0.1:{port}/"
    command = ["h2load", "-t1", f"-c{CONNECTIONS}", f"-m{STREAMS}", f"-D{seconds}", address]
    printed = subprocess.run(on(LOAD_CORE, command), capture_output=True, text=True, check=True).stdout
    done, succeeded, received = _figures(_COUNTS, printed)
    return Outcome(succeeded, received, seconds, done - succeeded)


def shake_hands(port: int, seconds: int) -> Outcome:
    """A full handshake for each request, one after the other, in each of a few processes."""
    words = ("-connect", f"127.0.0.1:{port}", "-new", "-time", str(seconds), "-www", "/")
    command = on(LOAD_CORE, ["openssl", "s_time", *words])
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(HANDSHAKERS)]
    figures = [_figures(_CONNECTED, process.communicate()[0]) for process in running]
    connected = sum(count for count, _, _ in figures)
    received = sum(count * each for count, _, each in figures)
    return Outcome(connected, received, seconds, sum(process.returncode != 0 for process in running))


# Private


def _figures(pattern: re.Pattern[str], printed: str) -> tuple[int, int, int]:
    found = pattern.search(printed)
    if found is None:
        raise SystemExit(f"error: the load prints no counts\n\n{printed}")
    first, second, third = map(int, found.groups())
    return first, second, third
