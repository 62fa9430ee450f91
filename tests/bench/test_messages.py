"""Messages over TCP on real proxies: all are answered with as many bytes as were asked for, and counted."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bench import messages
from bench.figures import FAILED
from bench.parts import bodies, cpu, tcp
from tests.bench.conftest import started

_NAMES = ("composectl", "haproxy", "haproxy-splice")


@pytest.mark.slow
@pytest.mark.parametrize("name", _NAMES)
def test_all_messages_are_answered(name: str, prepared: None, tmp_path: Path) -> None:
    with messages.answering(2, tmp_path, messages.SIZE) as servers, started(name, servers, tmp_path) as target:
        reading = tcp.MESSAGES.measure(replace(target, backends=servers), 1)
    assert reading[FAILED] == 0
    assert reading[cpu.SPEED] > 0
    assert 0 < reading[cpu.CPU] < 10_000


@pytest.mark.slow
@pytest.mark.parametrize("name", _NAMES)
def test_bulk_comes_whole(name: str, prepared: None, tmp_path: Path) -> None:
    with messages.answering(2, tmp_path, tcp.BULK) as servers, started(name, servers, tmp_path) as target:
        outcome = messages.exchange(target.port, tcp.BULK, 4, 1)
        reading = tcp.IN_BULK.measure(replace(target, backends=servers), 1)
    assert outcome.failed == reading[FAILED] == 0
    assert outcome.received >= outcome.requests * tcp.BULK > 0
    assert reading[bodies.PER_CPU_SECOND] > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nginx", "composectl", "haproxy"])
def test_bulk_of_websockets_comes_whole(name: str, prepared: None, tmp_path: Path) -> None:
    with (
        messages.answering(2, tmp_path, tcp.BULK, upgraded=True) as servers,
        started(name, servers, tmp_path) as target,
    ):
        reading = tcp.WEBSOCKET.measure(replace(target, backends=servers), 1)
    assert reading[FAILED] == 0
    assert reading[bodies.PER_CPU_SECOND] > 0


def test_a_connection_that_ends_has_failed() -> None:
    with _hanging_up() as port:
        outcome = messages.exchange(port, messages.SIZE, 3, 1)
    assert (outcome.requests, outcome.failed) == (0, 3)


@contextmanager
def _hanging_up() -> Iterator[int]:
    """A server that ends three connections without an answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            for _ in range(3):
                client, _ = listener.accept()
                client.close()

        hanging = threading.Thread(target=hang_up)
        hanging.start()
        yield listener.getsockname()[1]
        hanging.join()
