"""A run that is ended leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import cores
from bench.cores import in_place

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


@pytest.fixture
def own_core() -> Iterator[None]:
    handler, affinity = signal.getsignal(signal.SIGTERM), os.sched_getaffinity(0)
    yield
    signal.signal(signal.SIGTERM, handler)
    os.sched_setaffinity(0, affinity)


@pytest.mark.parametrize("said", ["/autogroup-25 nice 3\n", "", None])
def test_the_preference_of_before_is_restored(
    own_core: None, said: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    autogroup = tmp_path / "autogroup"
    if said is not None:
        autogroup.write_text(said)
    monkeypatch.setattr(cores, "_AUTOGROUP", autogroup)
    with in_place():
        assert autogroup.read_text() == "-20"
    assert autogroup.read_text() == ("3" if said else "0")
