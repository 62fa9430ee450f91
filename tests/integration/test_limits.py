"""The limits that a command line sets are those that clients meet."""

from __future__ import annotations

import signal
from http.client import HTTPConnection, HTTPResponse

import pytest

from tests.support.cli_error import cli_error_in
from tests.support.http_client import TIMEOUT, ask
from tests.support.proxy_process import ProxyProcess, Workspace

HOST = "127.0.0.1"


@pytest.mark.slow
def test_a_body_of_more_is_refused(place: Workspace) -> None:
    proxy = place.proxy(place.backend(), words=("--max-request-body", "1k"))
    answer = posted(proxy, b"x" * 1025)
    assert (answer.status, answer.headers["X-Composectl-Error"]) == (413, "body-too-large")
    proxy.ends_by(signal.SIGINT)


def test_another_host_is_refused(place: Workspace) -> None:
    proxy = place.proxy(place.backend(), words=("--allowed-host", "shop.example"))
    assert place.comes_to("ready")
    assert ask(proxy.port, host=HOST, Host="Shop.Example:8080").status == 200
    assert ask(proxy.port, host=HOST).status == 421
    proxy.ends_by(signal.SIGINT)


@pytest.mark.slow
def test_a_backend_that_does_not_begin_in_time_is_given_up(place: Workspace) -> None:
    backend = place.backend()
    proxy = place.proxy(backend, words=("--response-timeout", "1"))
    assert place.comes_to("ready")
    assert ask(proxy.port, "/held", host=HOST).status == 504
    backend.release.set()
    proxy.ends_by(signal.SIGINT)


def test_more_connections_than_files_are_refused_at_the_start(place: Workspace) -> None:
    words = ("--listen", f"{HOST}:0", "--backend", f"{HOST}:9001", "--max-connections", "999999999")
    error = cli_error_in(place.composectl("proxy", *words))
    assert error.exit_code == 2
    assert "`--max-connections 999999999` exceeds" in error.message
    assert place.leftovers() == []


def test_a_path_is_asked_for_where_it_is_named(place: Workspace) -> None:
    proxy = place.proxy(place.backend(), words=("--health-check-path", "/healthz"))
    assert place.comes_to("ready")
    (change,) = place.status()["changes"]
    assert "/healthz" in change["reason"]
    proxy.ends_by(signal.SIGINT)


def test_a_proxy_that_is_not_trusted_is_told_of_once(place: Workspace) -> None:
    proxy = place.proxy(place.backend(), words=("--trusted-proxies", "::ffff:192.0.2.7"))
    assert place.comes_to("ready")
    for _ in range(2):
        assert ask(proxy.port, host=HOST, X_Forwarded_Proto="https").status == 200
    (notice,) = place.status()["notices"]
    assert "`--trusted-proxies 127.0.0.1`" in notice
    *_, complaints = proxy.ends_by(signal.SIGINT)
    assert complaints.count("warning: ") == complaints.count(notice) == 1


@pytest.mark.parametrize(
    ("words", "host"), [((), "localhost"), (("--health-check-host", "Shop.Example"), "shop.example")]
)
def test_a_path_is_asked_for_with_a_host_that_applications_accept(
    place: Workspace, words: tuple[str, ...], host: str
) -> None:
    backend = place.backend()
    proxy = place.proxy(backend, words=("--health-check-path", f"/only-for/{host}", *words))
    assert place.comes_to("ready")
    proxy.ends_by(signal.SIGINT)


def posted(proxy: ProxyProcess, body: bytes) -> HTTPResponse:
    connection = HTTPConnection(HOST, proxy.port, timeout=TIMEOUT)
    try:
        connection.request("POST", "/", body)
        return connection.getresponse()
    finally:
        connection.close()
