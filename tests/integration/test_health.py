"""`--health-check-path PATH`: a backend is well while this answers well."""

from __future__ import annotations

import signal

from tests.support.http_client import ask
from tests.support.proxy_process import Workspace

HOST = "127.0.0.1"


def test_a_backend_is_left_out_while_its_path_answers_badly(place: Workspace) -> None:
    steady, sick = place.backend(), place.backend()
    sick.well.clear()
    proxy = place.proxy(steady, sick, words=("--health-check-path", "/well"))
    assert place.comes_to("ready", "starting")
    assert {ask(proxy.port, host=HOST).backend for _ in range(4)} == {steady.address}

    sick.well.set()
    assert place.comes_to("ready", "ready")
    assert {ask(proxy.port, host=HOST).backend for _ in range(4)} == {steady.address, sick.address}

    sick.well.clear()
    assert place.comes_to("ready", "unhealthy")
    assert {ask(proxy.port, host=HOST).backend for _ in range(4)} == {steady.address}
    assert [change["reason"] for change in place.status()["changes"] if change["number"] == 2] == [
        "/well answered 200",
        "/well answered 503",
    ]
    proxy.ends_by(signal.SIGINT)


def test_the_last_one_serves_on_however_it_answers(place: Workspace) -> None:
    backend = place.backend()
    proxy = place.proxy(backend, words=("--health-check-path", "/well"))
    assert place.comes_to("ready")
    backend.well.clear()
    assert all(backend.refused.acquire(timeout=30) for _ in range(4))
    assert place.phases() == ["ready"]
    assert ask(proxy.port, host=HOST).status == 200
    proxy.ends_by(signal.SIGINT)
