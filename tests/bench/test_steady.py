"""The load at a fixed rate does not wait for the proxy that it measures."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from select import select

from bench.backends import ANSWER
from bench.steady import Steady, percentile

_RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(ANSWER), ANSWER)


@contextmanager
def stalling(answers_before_the_stall: int, seconds: float) -> Iterator[int]:
    """The port of a server that answers at once, but for one stall."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        serve = threading.Thread(target=_serve, args=(listening, over, answers_before_the_stall, seconds))
        serve.start()
        try:
            yield listening.getsockname()[1]
        finally:
            over.set()
            serve.join()


def _serve(listening: socket.socket, over: threading.Event, stall_after: int, seconds: float) -> None:
    clients: list[socket.socket] = []
    answered = 0
    while not over.is_set():
        for ready in select([listening, *clients], [], [], 0.05)[0]:
            if ready is listening:
                clients.append(listening.accept()[0])
            elif ready.recv(4096):
                ready.sendall(_RESPONSE)
                answered += 1
                if answered == stall_after:
                    over.wait(seconds)
            else:
                clients.remove(ready)
                ready.close()


def test_a_stall_is_seen_by_all_requests_that_were_due_in_it() -> None:
    with stalling(100, 0.4) as port, ExitStack() as stack:
        load = Steady(stack, port, connections=8)
        assert load.run(200, 1) == 200
    assert len(load.latencies) == 200
    # Due in the first half of the stall are 40, of which only 8 could be sent: a load that waits would see those alone.
    assert sum(latency > 0.2 for latency in load.latencies) >= 38


def test_a_connection_that_ends_is_a_failure_and_no_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, ExitStack() as stack:
        load = Steady(stack, listening.getsockname()[1], connections=2)
        for _ in range(2):
            listening.accept()[0].close()
        assert load.run(100, 0.1) == 10
    assert load.latencies == []


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(value) for value in range(1, 101)]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile(values, 1)) == (51, 100, 100)
    assert percentile([], 0.5) == 0
