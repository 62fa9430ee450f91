"""Calls of gRPC over h2c as fast as they go, all alike, by h2load, on the core of the load."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.cores import LOAD_CORE, on
from bench.grpc_servers import METHOD, REQUEST
from bench.wrk import Outcome

CONNECTIONS, STREAMS = 16, 8
# As grpc-go sends them
FIELDS = {
    "content-type": "application/grpc",
    "user-agent": "grpc-go/1.60.0",
    "te": "trailers",
    "grpc-accept-encoding": "gzip",
}
_COUNTS = re.compile(
    r"finished in ([\d.]+)(m?s).*"
    r"requests: (\d+) total, \d+ started, (\d+) done, (\d+) succeeded.*"
    r"traffic: .*?\((\d+)\) total",
    re.DOTALL,
)


def call(port: int, seconds: int) -> Outcome:
    """Load the proxy on `port` for so long."""
    with TemporaryDirectory() as folder:
        message = Path(folder, "message")
        message.write_bytes(REQUEST)
        command = [
            *("h2load", "-t1", f"-c{CONNECTIONS}", f"-m{STREAMS}", f"-D{seconds}", "-d", str(message)),
            *(word for field in FIELDS.items() for word in ("-H", ": ".join(field))),
            f"http://127.0.0.1:{port}{METHOD}",
        ]
        printed = subprocess.run(on(LOAD_CORE, command), capture_output=True, text=True, check=True).stdout
    counts = _COUNTS.search(printed)
    if counts is None:
        raise SystemExit(f"error: h2load prints no counts\n\n{printed}")
    took = float(counts[1]) / (1000 if counts[2] == "ms" else 1)
    done, succeeded = int(counts[4]), int(counts[5])
    return Outcome(succeeded, int(counts[6]), took, done - succeeded)
