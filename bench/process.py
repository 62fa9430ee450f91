"""A process that is measured: started on one core, stopped while others are measured, ended with the run."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection

from bench.cores import on

_START_SECONDS = 20
_END_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds that a process `ran`, and that it `waited` for its core because others had it."""

    ran: float
    waited: float
    user_ticks: int
    system_ticks: int

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.ran + other.ran,
            self.waited + other.waited,
            self.user_ticks + other.user_ticks,
            self.system_ticks + other.system_ticks,
        )

    def __sub__(self, earlier: Spent) -> Spent:
        return Spent(
            self.ran - earlier.ran,
            self.waited - earlier.waited,
            self.user_ticks - earlier.user_ticks,
            self.system_ticks - earlier.system_ticks,
        )

    @property
    def user(self) -> float:
        """Seconds outside the kernel."""
        return self.ran * self.user_ticks / max(1, self.user_ticks + self.system_ticks)

    @property
    def system(self) -> float:
        """Seconds in the kernel."""
        return self.ran - self.user


def spent(pid: int) -> Spent:
    """So far, by a process and those that it has started, as composectl starts one to draw its table."""
    return sum((spent(child) for child in _children(pid)), _spent_alone(pid))


def resident(pid: int) -> float:
    """The memory of a process that is resident, in MiB (proc(5))."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def proportional(pid: int) -> float:
    """The memory that a process takes, and its part of what it shares with others, in MiB (proc(5), smaps_rollup)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def family(pid: int) -> list[int]:
    """A process, those that it has started, and theirs."""
    return [pid, *(member for child in _children(pid) for member in family(child))]


def descriptors(pid: int) -> int:
    """How many files and sockets a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


@contextmanager
def started(
    command: list[str],
    *,
    core: int,
    port: int,
    log: Path,
    host: str = "127.0.0.1",
    environment: Mapping[str, str] | None = None,
    terminal: int | None = None,
) -> Iterator[int]:
    """The id of a process on one core that listens on `port` of `host`; it writes to `log`, or to `terminal`.

    Raises SystemExit with what it has said where it does not listen in time.
    """
    with log.open("wb") as said:
        output = said.fileno() if terminal is None else terminal
        process = subprocess.Popen(
            on(core, command),
            stdin=subprocess.DEVNULL if terminal is None else terminal,
            stdout=output,
            stderr=output,
            env={**os.environ, **(environment or {})},
        )
    try:
        if not comes_to_listen(process, port, host):
            raise SystemExit(f"error: `{' '.join(command)}` does not listen\n\n{log.read_text(errors='replace')}")
        yield process.pid
    finally:
        _end(process)


def comes_to_listen(process: subprocess.Popen[bytes], port: int, host: str = "127.0.0.1") -> bool:
    """Whether the process listens there before its time is over, or it has ended."""
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            create_connection((host, port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return True
    return False


# Private


def _spent_alone(pid: int) -> Spent:
    # `schedstat` counts nanoseconds of each thread, `stat` has ticks of user and system (proc(5)).
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    threads = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    ran, waited = (sum(int(thread[column]) for thread in threads) / 1e9 for column in (0, 1))
    return Spent(ran, waited, int(fields[11]), int(fields[12]))


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGCONT)
    process.terminate()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
