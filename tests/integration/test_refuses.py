"""What is typed wrong is told in one line, with a hint, before anything is bound."""

from __future__ import annotations

import signal

import pytest

from tests.support.cli_error import cli_error_in
from tests.support.proxy_process import Workspace

pytestmark = pytest.mark.one_process

GOOD = ("--listen", "127.0.0.1:0", "--backend", "127.0.0.1:9001")


@pytest.mark.parametrize(
    ("words", "culprit"),
    [
        ((*GOOD, "--listen", "http"), "`http`"),
        ((*GOOD, "--listen", "127.0.0.1:8080:80"), "`127.0.0.1:8080:80`"),
        ((*GOOD, "--backend", "9001"), "`9001`"),
        ((*GOOD, "--backend", "http://127.0.0.1:9001/"), "`http://127.0.0.1:9001/`"),
        ((*GOOD, "--backend", "::1:9001"), "`::1:9001`"),
        ((*GOOD, "--backend", "127.0.0.1:9001"), "`--backend 127.0.0.1:9001`"),
        ((*GOOD, "--policy", "lucky"), "`lucky`"),
        ((*GOOD, "--health-check-path", "healthz"), "`healthz`"),
        ((*GOOD, "--queue-timeout", "soon"), "invalid value `soon` for `--queue-timeout`"),
        ((*GOOD, "--slow-start", "0"), "invalid value `0` for `--slow-start`"),
        ((*GOOD, "--slow-start", "10", "--policy", "source"), "`--slow-start`"),
        ((*GOOD, "--protocol", "tcp", "--health-check-path", "/up"), "`--health-check-path` works on HTTP requests"),
        ((*GOOD, "--backend", "127.0.0.1:1", "--protocol", "1=tcp"), "the protocol `1=tcp` names a port"),
        ((*GOOD, "--name", "No Name"), "`No Name`"),
        ((*GOOD, "--service", "echo"), "`--service`"),
        ((*GOOD, "--port", "9090"), "`--port`"),
        ((*GOOD, "surplus"), "surplus"),
        (GOOD[:2], "`--backend HOST:PORT`"),
        (GOOD[2:], "`--listen`"),
    ],
)
def test_words_that_make_no_sense(place: Workspace, words: tuple[str, ...], culprit: str) -> None:
    error = cli_error_in(place.composectl("proxy", *words))
    assert error.exit_code == 2
    assert culprit in error.message
    assert place.leftovers() == []


@pytest.mark.parametrize(
    ("listen", "message"),
    [
        ("missing.invalid:8080", "cannot resolve host `missing.invalid`"),
        ("192.0.2.1:8080", "cannot listen on 192.0.2.1:8080: address not available"),
    ],
)
def test_a_listener_that_is_not_of_this_machine(place: Workspace, listen: str, message: str) -> None:
    error = cli_error_in(place.composectl("proxy", *GOOD, "--listen", listen))
    assert (error.exit_code, error.message) == (1, message)
    assert place.leftovers() == []


def test_a_port_that_is_held_and_its_owner(place: Workspace) -> None:
    backend = place.backend()
    error = cli_error_in(place.composectl("proxy", *GOOD, "--listen", backend.address))
    assert f"{backend.address}: address already in use by" in error.message

    proxy = place.proxy(backend)
    error = cli_error_in(place.composectl("proxy", *GOOD, "--listen", f"127.0.0.1:{proxy.port}"))
    assert (
        error.message
        == f"cannot listen on 127.0.0.1:{proxy.port}: address already in use by composectl of proxy `{proxy.name}`"
    )
    proxy.ends_by(signal.SIGINT)


def test_a_name_that_is_taken(place: Workspace) -> None:
    proxy = place.proxy(place.backend(), words=("--name", "edge"))
    error = cli_error_in(place.composectl("proxy", *GOOD, "--name", "edge"))
    assert error.message == f"proxy `edge` is already running (process {proxy.process.pid})"
    assert "`composectl -p edge down`" in error.hint
    proxy.ends_by(signal.SIGINT)
