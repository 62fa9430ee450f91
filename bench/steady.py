"""Requests at a fixed rate: each is due at its time whether or not the earlier ones were answered.

A latency is counted from when its request was due, also where it could only be sent later, so that a proxy which stalls
does not hide from the requests that it kept waiting. It runs by itself: `python -m bench.steady PORT PER_SECOND
SECONDS` prints how many were due, how many of them were not answered, and the p50 and p99 in microseconds.
"""

from __future__ import annotations

import ctypes
import gc
import socket
import subprocess
import sys
import time
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass
from select import select

from bench.backends import ANSWER
from bench.cores import LOAD_CORE, on

_CONNECTIONS = 64
_LAST_WAIT = 2.0
_PATIENCE = 10.0
_PR_SET_TIMERSLACK = 29  # prctl(2): the kernel may wake us so many nanoseconds late


@dataclass(frozen=True, slots=True)
class Latency:
    """Requests that were due, those without an answer, and two percentiles of the others in microseconds."""

    due: int
    failed: int
    p50: float
    p99: float


def steady(port: int, per_second: int, seconds: int) -> Latency:
    """Load the proxy on `port` from a process of its own."""
    command = [sys.executable, "-m", "bench.steady", str(port), str(per_second), str(seconds)]
    printed = subprocess.run(on(LOAD_CORE, command), capture_output=True, text=True, check=True).stdout.split()
    return Latency(int(printed[0]), int(printed[1]), float(printed[2]), float(printed[3]))


def percentile(values: list[float], share: float) -> float:
    """The smallest of `values` that `share` of them, from 0 to 1, do not exceed; 0 where there are none."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else 0.0


class Steady:
    """One run over some connections; `latencies` in seconds."""

    def __init__(self, stack: ExitStack, port: int, connections: int = _CONNECTIONS) -> None:
        self._request = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
        self._free = deque(self._connect(stack, port) for _ in range(connections))
        self._asked: dict[socket.socket, float] = {}
        self._read: dict[socket.socket, bytes] = {}
        self.latencies: list[float] = []

    def run(self, per_second: int, seconds: float) -> int:
        """How many requests were due; those that were not answered are missing in `latencies`."""
        due, total, begun = 0, int(per_second * seconds), time.perf_counter()
        while due < total or self._asked:
            now = time.perf_counter()
            while due < total and begun + due / per_second <= now and self._free:
                self._ask(begun + due / per_second)
                due += 1
            if now > begun + seconds + _LAST_WAIT or not (self._free or self._asked):
                break
            self._receive(max(0.0, begun + due / per_second - now) if due < total and self._free else _LAST_WAIT)
        return total

    # Private

    def _connect(self, stack: ExitStack, port: int) -> socket.socket:
        connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), _PATIENCE))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _ask(self, due: float) -> None:
        connection = self._free.popleft()
        connection.send(self._request)
        self._asked[connection] = due

    def _receive(self, patience: float) -> None:
        for connection in select(list(self._asked), [], [], patience)[0]:
            data = connection.recv(4096)
            answer = self._read.pop(connection, b"") + data
            if not data or not answer.startswith(b"HTTP/1.1 200 "):
                del self._asked[connection]  # and it is not used again
            elif answer.endswith(ANSWER):
                self.latencies.append(time.perf_counter() - self._asked.pop(connection))
                self._free.append(connection)
            else:
                self._read[connection] = answer


# Private


def _main(port: int, per_second: int, seconds: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1)
    gc.disable()
    with ExitStack() as stack:
        load = Steady(stack, port)
        due = load.run(per_second, seconds)
    p50, p99 = (percentile(load.latencies, share) * 1e6 for share in (0.5, 0.99))
    print(due, due - len(load.latencies), p50, p99)


if __name__ == "__main__":
    _main(*map(int, sys.argv[1:]))
