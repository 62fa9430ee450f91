"""A process in the background, and the caller that waits for it: which of the two a signal ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.wait import wait_until

START = """
import asyncio, io, os, signal, sys
from pathlib import Path
from composectl.daemon.background import run_in_background
from composectl.daemon.shutdown import Interrupted, Shutdown, cancel_on

def signal_caller(number):
    os.kill(os.getppid(), number)
"""
END = """
def work(notify_ready):
    return asyncio.run(serve(notify_ready))

sys.exit(run_in_background(work, Path(sys.argv[1])))
"""
INTERRUPTED_BEFORE = """
def interrupt_caller():
    signal_caller(signal.SIGINT)
    signal_caller(signal.SIGCONT)

async def serve(notify_ready):
    loop = asyncio.get_running_loop()
    with Shutdown() as shutdown:
        signal_caller(signal.SIGSTOP)
        loop.call_soon(loop.call_soon, interrupt_caller)  # the notice is sent in between
        try:
            await cancel_on(shutdown.requested, notify_ready("serves\\n", "it.log"))
        except Interrupted:
            return shutdown.exit_code
"""
INTERRUPTED_AFTER = """
class Stdout(io.StringIO):
    def flush(self):
        signal_caller(signal.SIGINT)

async def serve(notify_ready):
    with Shutdown() as shutdown:
        sys.stdout = Stdout()
        await notify_ready("serves\\n", "it.log")
        return shutdown.exit_code
"""
LOCKED = """
async def serve(notify_ready):
    lock, own = int(sys.argv[2]), os.open(os.devnull, os.O_RDONLY)
    os.fstat(lock)  # until it is ready it keeps all: the log may be /dev/fd/3
    await notify_ready("serves\\n", "it.log")
    os.fstat(own)
    try:
        os.fstat(lock)
    except OSError:
        return 0
    return 1
"""
KILLED = """
async def serve(notify_ready):
    os.kill(os.getpid(), signal.SIGTERM)
"""


def run(serve: str, folder: Path, *descriptors: int) -> tuple[int, str, str]:
    """The exit code of the caller, which inherits these descriptors, and what it printed to stdout and stderr."""
    command = [sys.executable, "-c", START + serve + END, str(folder), *map(str, descriptors)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, pass_fds=descriptors)
    return done.returncode, done.stdout, done.stderr


def test_a_caller_interrupted_just_before_readiness_ends_both(tmp_path: Path) -> None:
    assert run(INTERRUPTED_BEFORE, tmp_path) == (130, "", "")
    assert list(tmp_path.glob("*.log")) == []


def test_once_ready_the_caller_succeeds_and_ignores_signals(tmp_path: Path) -> None:
    assert run(INTERRUPTED_AFTER, tmp_path) == (0, "serves\n", "")
    assert wait_until(lambda: (tmp_path / "it.log").read_text().endswith("ended with exit code 0\n"))


def test_a_process_ended_by_a_signal_exits_as_in_a_shell(tmp_path: Path) -> None:
    assert run(KILLED, tmp_path) == (143, "", "")


def test_a_lock_of_the_caller_is_not_held_by_the_process_in_the_background(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        assert run(LOCKED, tmp_path, lock.fileno()) == (0, "serves\n", "")
    assert wait_until(lambda: (tmp_path / "it.log").read_text().endswith("ended with exit code 0\n"))
