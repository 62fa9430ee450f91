"""Backends that are away for a while: a request goes to whichever accepts, or waits until one does."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.http_client import ask
from tests.support.proxy_process import Workspace
from tests.support.wait import wait_until

HOST = "127.0.0.1"
CHECKS = [(), ("--health-check-path", "/well")]


@pytest.mark.parametrize("words", CHECKS, ids=["port", "path"])
def test_d6_the_only_ready_one_stops_and_the_other_takes_over(place: Workspace, words: tuple[str, ...]) -> None:
    first, other = place.backend(), place.backend()
    proxy = place.proxy(first, other, words=words)
    assert place.comes_to("ready", "ready")
    first.close()
    assert {ask(proxy.port, host=HOST).backend for _ in range(4)} == {other.address}
    first.listen()
    other.close()
    for _ in range(10):
        began, answer = time.monotonic(), ask(proxy.port, host=HOST)
        assert (answer.status, answer.backend) == (200, first.address)
        assert time.monotonic() - began < 5
    assert place.status()["totals"]["failed"] == 0
    proxy.ends_by(signal.SIGINT)


def test_an_ejection_ends_as_soon_as_the_backend_accepts(place: Workspace) -> None:
    first, other = place.backend(), place.backend()
    proxy = place.proxy(first, other)
    assert place.comes_to("ready", "ready")
    first.close()
    assert {ask(proxy.port, host=HOST).status for _ in range(4)} == {200}
    assert place.phases() == ["unhealthy", "ready"]
    first.listen()
    assert place.comes_to("ready", "ready")
    assert [change["reason"] for change in place.status()["changes"] if change["number"] == 1][1:] == [
        "Connection refused",
        "its port accepts",
    ]
    proxy.ends_by(signal.SIGINT)


@pytest.mark.parametrize("words", CHECKS, ids=["port", "path"])
def test_d1_a_lone_backend_that_is_away_costs_no_request(place: Workspace, words: tuple[str, ...]) -> None:
    backend = place.backend()
    proxy = place.proxy(backend, words=words)
    assert place.comes_to("ready")
    backend.close()
    with ThreadPoolExecutor(8) as clients:
        asked = [clients.submit(ask, proxy.port, host=HOST) for _ in range(8)]
        assert wait_until(lambda: place.status()["totals"]["queued"] == 8)
        assert place.phases() == ["unhealthy"]
        backend.listen()
        assert {asked_.result().status for asked_ in asked} == {200}
    assert place.status()["totals"]["failed"] == 0
    proxy.ends_by(signal.SIGINT)


@pytest.mark.slow
def test_d1_d5_a_lone_backend_that_stays_away_is_a_503(place: Workspace) -> None:
    backend = place.backend()
    proxy = place.proxy(backend, words=("--queue-timeout", "1"))
    assert place.comes_to("ready")
    backend.close()
    assert {ask(proxy.port, host=HOST).status for _ in range(2)} == {503}
    proxy.ends_by(signal.SIGINT)
