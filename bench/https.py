"""`python -m bench.https`: what HTTPS costs composectl and nginx, in CPU time, with one certificate and one cipher.

A request on a connection that is kept, one of HTTP/2 among eight, and one with a handshake of its own, each as fast as
they go. It needs what `bench/prepare` installs, and h2load.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench.backends import Backends, serving
from bench.cores import LOAD_CORE, on
from bench.peers.nginx import with_tls
from bench.peers.ours import composectl
from bench.peers.peer import Peer, Place
from bench.ports import free_ports
from bench.process import spent
from composectl.certificates.authority import Authority

_SECONDS, _ROUNDS = 4, 3
_BACKENDS = 4
_DONE = re.compile(r"requests: \d+ total, \d+ started, \d+ done, (\d+) succeeded, 0 failed")
_FIGURES = re.compile(r"figures (\d+) \d+ \d+ 0 ")


def keep_alive(port: int) -> int:
    """The number of requests that were answered; none may fail."""
    return _count(_FIGURES, [*_wrk(64, port), "GET", "0", "keep"])


def handshakes(port: int) -> int:
    return _count(_FIGURES, [*_wrk(16, port), "GET", "0", "close"])


def http_2(port: int) -> int:
    return _count(_DONE, ["h2load", "-t1", "-c16", "-m8", f"-D{_SECONDS}", f"https://127.0.0.1:{port}/"])


_LOADS: dict[str, Callable[[int], int]] = {
    "keep-alive, 64 connections": keep_alive,
    "HTTP/2, 16 connections of 8 streams": http_2,
    "a handshake each, 16 connections": handshakes,
}


def main() -> None:
    with TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        pem = Authority(folder).issue(["localhost", "127.0.0.1"])
        ours = composectl("composectl", table=False, options=lambda _: ("--tls-cert", f"{pem}", "--tls-key", f"{pem}"))
        peers = {"composectl": ours, "nginx": with_tls(pem)}
        backends = Backends(_BACKENDS, free_ports(1)[0])
        stack.enter_context(serving(backends, folder))
        targets = {peer: _start(stack, peers[peer], backends, folder / peer) for peer in peers}
        for load_name, load in _LOADS.items():
            costs = {peer: median(_cost(load, *targets[peer]) for _ in range(_ROUNDS)) for peer in peers}
            figures = ", ".join(f"{peer} {microseconds:.1f} us" for peer, microseconds in costs.items())
            print(f"{load_name}: {figures}, {costs['composectl'] / costs['nginx']:.2f} x")


# Private


def _start(stack: ExitStack, peer: Peer, backends: Backends, folder: Path) -> tuple[int, int]:
    """The id of its process, and its port."""
    folder.mkdir()
    port = free_ports(1)[0]
    return stack.enter_context(peer.start(Place(port, backends, folder))), port


def _cost(load: Callable[[int], int], pid: int, port: int) -> float:
    """Microseconds of CPU time for each request."""
    time.sleep(1)
    before = spent(pid).ran
    answered = load(port)
    return (spent(pid).ran - before) / answered * 1e6


def _wrk(connections: int, port: int) -> list[str]:
    script = str(Path(__file__).with_name("wrk.lua"))
    address = f"https://127.0.0.1:{port}/"
    return ["wrk", "-t1", f"-c{connections}", f"-d{_SECONDS}s", "--timeout", "10s", "-s", script, address, "--"]


def _count(pattern: re.Pattern[str], command: list[str]) -> int:
    printed = subprocess.run(on(LOAD_CORE, command), capture_output=True, text=True, check=True).stdout
    found = pattern.search(printed)
    if found is None:
        raise SystemExit(f"error: requests have failed\n\n{printed}")
    return int(found[1])


if __name__ == "__main__":
    main()
