"""`composectl proxy` serves over fixed backends, with nothing but Python."""

from __future__ import annotations

import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.http_client import ask
from tests.support.proxy_process import Workspace
from tests.support.wait import wait_until

HOST = "127.0.0.1"


def test_every_backend_gets_its_share_and_is_shown_as_given(place: Workspace) -> None:
    first, other = place.backend(), place.backend()
    named = f"localhost:{other.port}"
    proxy = place.starts("--listen", f"{HOST}:0", "--backend", first.address, "--backend", named)
    assert place.comes_to("ready", "ready")
    answers = [ask(proxy.port, host=HOST) for _ in range(10)]
    assert Counter((answer.backend, answer.text) for answer in answers) == {
        (first.address, first.address): 5,
        (named, other.address): 5,
    }
    proxy.ends_by(signal.SIGINT)


def test_every_listener_leads_to_the_same_backends(place: Workspace) -> None:
    backend = place.backend("::1")
    listeners = [word for listener in (f"{HOST}:0", "[::1]:0") for word in ("--listen", listener)]
    proxy = place.starts(*listeners, "--backend", backend.address)
    four, six = proxy.ports
    assert place.comes_to("ready")
    assert [ask(four, host=HOST).backend, ask(six, host="::1").backend] == [backend.address] * 2
    assert place.status()["listeners"] == [f"{HOST}:{four}", f"[::1]:{six}"]
    assert place.status()["totals"]["requests"] == 2
    proxy.ends_by(signal.SIGINT)


def test_a_backend_starts_becomes_unhealthy_and_comes_back(
    place: Workspace,
) -> None:
    steady, late = place.backend(), place.backend()
    late.close()
    proxy = place.proxy(steady, late)
    assert place.comes_to("ready", "starting")

    late = place.backend(port=late.port)
    assert place.comes_to("ready", "ready")

    late.close()

    def fails() -> bool:
        assert ask(proxy.port, host=HOST).status == 200
        return place.phases() == ["ready", "unhealthy"]

    assert wait_until(fails)

    place.backend(port=late.port)
    assert place.comes_to("ready", "ready")
    proxy.ends_by(signal.SIGINT)


@pytest.mark.slow
def test_after_a_slow_start_a_backend_gets_its_whole_share(place: Workspace) -> None:
    steady, late = place.backend(), place.backend()
    late.close()
    proxy = place.proxy(steady, late, words=("--slow-start", "1"))
    assert place.comes_to("ready", "starting")
    late = place.backend(port=late.port)
    assert place.comes_to("ready", "ready")

    def is_even() -> bool:
        return [ask(proxy.port, host=HOST).backend for _ in range(10)].count(late.address) == 5

    assert wait_until(is_even)
    proxy.ends_by(signal.SIGINT)


def test_with_no_backend_there_requests_wait_for_one(place: Workspace) -> None:
    late = place.backend()
    late.close()
    proxy = place.proxy(late)
    with ThreadPoolExecutor(3) as clients:
        asked = [clients.submit(ask, proxy.port, host=HOST) for _ in range(3)]
        assert wait_until(lambda: place.status()["totals"]["queued"] == 3)
        assert " 3 queued" in place.shows("status")
        place.backend(port=late.port)
        assert {future.result().backend for future in asked} == {late.address}
    assert place.status()["totals"]["queued"] == 0
    proxy.ends_by(signal.SIGINT)


def test_queued_requests_are_told_of_the_end(place: Workspace) -> None:
    gone = place.backend()
    gone.close()
    proxy = place.proxy(gone)
    with ThreadPoolExecutor(1) as client:
        asked = client.submit(ask, proxy.port, host=HOST)
        assert wait_until(lambda: place.status()["totals"]["queued"] == 1)
        assert proxy.ends_by(signal.SIGINT)[0] == 130
        assert asked.result().status == 503


def test_without_any_backend_and_without_a_queue_it_serves(place: Workspace) -> None:
    gone = place.backend()
    gone.close()
    proxy = place.proxy(gone, words=("--queue-timeout", "0"))
    answer = ask(proxy.port, host=HOST)
    assert (answer.status, answer.headers["X-Composectl-Error"]) == (503, "no-backend-ready")
    assert place.shows("status").count("starting") == 1
    proxy.ends_by(signal.SIGINT)


def test_an_unknown_name_is_a_backend_that_does_not_start(place: Workspace) -> None:
    backend = place.backend()
    proxy = place.proxy(backend, words=("--backend", "missing.invalid:80"))
    assert place.comes_to("ready", "starting")
    assert {ask(proxy.port, host=HOST).backend for _ in range(4)} == {backend.address}
    proxy.ends_by(signal.SIGINT)


def test_how_it_balances_is_told_as_with_up(place: Workspace) -> None:
    proxy = place.proxy(place.backend(), place.backend(), words=("--policy", "round-robin", "--no-backend-header"))
    answers = [ask(proxy.port, host=HOST) for _ in range(2)]
    assert {answer.backend for answer in answers} == {None}
    assert place.status()["policy"] == "round-robin"
    proxy.ends_by(signal.SIGINT)


def test_neither_docker_nor_compose_nor_yaml_is_there_for_it(place: Workspace) -> None:
    backend = place.backend()
    words = ("--listen", f"{HOST}:0", "--backend", backend.address)
    proxy = place.starts(*words, python=("-X", "importtime"))
    assert place.comes_to("ready")
    assert ask(proxy.port, host=HOST).status == 200
    place.shows("status")
    _, _, complained = proxy.ends_by(signal.SIGINT)
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in complained.splitlines()}
    assert imported >= {"composectl", "aiohttp", "httptools"}
    assert not imported & {"docker", "yaml", "rich"}


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "localhost:0"])
def test_a_name_of_this_machine_is_listened_on(place: Workspace, listen: str) -> None:
    backend = place.backend()
    proxy = place.starts("--listen", listen, "--backend", backend.address)
    assert place.comes_to("ready")
    assert ask(proxy.port, host=HOST).backend == backend.address
    proxy.ends_by(signal.SIGINT)
