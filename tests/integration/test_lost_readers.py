"""Telling may fail, serving may not: whatever becomes of stdout and stderr, requests are answered."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from composectl.control.client import running_daemons
from tests.support.command_line import command_line
from tests.support.http_client import ask
from tests.support.proxy_process import Workspace
from tests.support.threaded_backend import ThreadedBackend
from tests.support.wait import wait_until

HOST = "127.0.0.1"


@dataclass
class Served:
    """A proxy over two backends, whose stdout or stderr is not what it should be."""

    place: Workspace
    process: subprocess.Popen[str]
    port: int
    backends: tuple[ThreadedBackend, ThreadedBackend]

    def answers(self) -> bool:
        return {ask(self.port, host=HOST).status for _ in range(4)} == {200}

    def tells_much(self) -> None:
        """Let it have something to tell."""
        for _ in range(3):
            self.place.run("drain", "proxy", "1")
            assert self.place.comes_to("maintenance", "ready")
            assert self.answers()
            self.place.run("undrain", "proxy", "1")
            assert self.place.comes_to("ready", "ready")

    def ends_by(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


@contextmanager
def served(place: Workspace, stdout: int | None, stderr: int | None) -> Iterator[Served]:
    """Serve with these; None is closed."""
    backends, port = (place.backend(), place.backend()), place.port()
    words = [word for backend in backends for word in ("--backend", backend.address)]
    command = command_line("proxy", "--listen", f"{HOST}:{port}", *words)
    if stdout is None or stderr is None:
        closed = " ".join(f"{number}>&-" for number, stream in ((1, stdout), (2, stderr)) if stream is None)
        command = ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", *command]
    process = subprocess.Popen(
        command,
        cwd=place.folder,
        env=place.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if stdout is None else stdout,
        stderr=subprocess.DEVNULL if stderr is None else stderr,
        start_new_session=True,
        text=True,
    )
    try:
        assert wait_until(lambda: running_daemons(place.runtime / "composectl"))
        assert place.comes_to("ready", "ready")
        yield Served(place, process, port, backends)
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("both", [False, True], ids=["stdout", "both"])
def test_a_reader_that_leaves_ends_nothing(place: Workspace, both: bool, end: signal.Signals) -> None:
    reader, writer = os.pipe()
    with served(place, writer, writer if both else subprocess.PIPE) as proxy:
        os.close(writer)
        assert b" behind " in os.read(reader, 65536)
        os.close(reader)
        proxy.tells_much()
        assert proxy.ends_by(end) == 128 + end
        assert both or (proxy.process.stderr and proxy.process.stderr.read() == "")


def test_a_full_disk_ends_nothing(place: Workspace) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    with served(place, full, full) as proxy:
        proxy.tells_much()
        assert proxy.ends_by(signal.SIGTERM) == 143
    os.close(full)


def test_a_terminal_that_vanishes_ends_nothing(place: Workspace) -> None:
    keys, terminal = pty.openpty()
    with served(place, terminal, terminal) as proxy:
        os.close(terminal)
        os.close(keys)
        proxy.tells_much()
        assert proxy.ends_by(signal.SIGTERM) == 143


def test_a_reader_that_does_not_read_delays_nothing(place: Workspace) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(writer, True)
    with served(place, writer, writer) as proxy:
        proxy.tells_much()
        assert proxy.ends_by(signal.SIGTERM) == 143
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize(("stdout", "stderr"), [(None, subprocess.PIPE), (subprocess.PIPE, None), (None, None)])
@pytest.mark.slow
def test_what_was_closed_at_the_start_ends_nothing(place: Workspace, stdout: int | None, stderr: int | None) -> None:
    with served(place, stdout, stderr) as proxy:
        proxy.tells_much()
        assert proxy.ends_by(signal.SIGTERM) == 143
        assert "Traceback" not in str(proxy.process.communicate())
