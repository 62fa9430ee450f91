"""A run that is ended leaves nothing behind."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys

import pytest

_RUN = """
import signal, tempfile
from pathlib import Path
from bench.backends import Backends, serving
from bench.cores import in_place
from bench.ports import free_ports
backends = Backends(1, free_ports(1)[0])
with in_place(), tempfile.TemporaryDirectory() as folder, serving(backends, Path(folder)):
    print(backends.port, folder, flush=True)
    signal.pause()
"""


def test_sigterm_ends_what_was_started(prepared: None) -> None:
    with subprocess.Popen([sys.executable, "-c", _RUN], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        port = int(run.stdout.readline().split()[0])
        socket.create_connection(("127.0.0.1", port), 10).close()
        run.terminate()
        assert run.wait(20) == 128 + signal.SIGTERM
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 10)
