"""Load as fast as it goes, by wrk, on the core of the load."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.cores import LOAD_CORE, on

_SCRIPT = Path(__file__).with_name("wrk.lua")


@dataclass(frozen=True, slots=True)
class Load:
    """What to ask for, over and over, on so many connections; `body` in bytes; `close`: one connection per request.

    `cookies`: the requests carry them in turn. `traced`: each has a `Traceparent` of its own. `scheme`: "https" over
    TLS.
    """

    path: str = "/"
    connections: int = 64
    method: str = "GET"
    body: int = 0
    close: bool = False
    cookies: tuple[str, ...] = ()
    traced: bool = False
    scheme: str = "http"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of it; `received` in bytes, heads included; `p99` in microseconds."""

    requests: int
    received: int
    seconds: float
    failed: int
    p99: int = 0


def put(load: Load, port: int, seconds: int) -> Outcome:
    """Load the proxy on `port` for so long."""
    command = [
        *("wrk", "-t1", f"-c{load.connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(_SCRIPT)),
        *(f"{load.scheme}://127.0.0.1:{port}{load.path}", "--"),
        *(load.method, str(load.body), "close" if load.close else "keep", "traced" if load.traced else "alike"),
        *load.cookies,
    ]
    printed = subprocess.run(on(LOAD_CORE, command), capture_output=True, text=True, check=True).stdout
    requests, received, microseconds, failed, p99 = map(int, printed.rpartition("figures ")[2].split())
    return Outcome(requests, received, microseconds / 1e6, failed, p99)
