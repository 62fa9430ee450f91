"""The dashboard as programs meet it: what it answers, which requests it refuses, and how it ends."""

from __future__ import annotations

import json
import socket
from contextlib import closing
from http.client import HTTPConnection

import pytest

from composectl.control.client import running_daemons
from tests.integration.test_refuses import GOOD
from tests.support.cli_error import cli_error_in
from tests.support.dashboard_client import DashboardClient
from tests.support.proxy_process import Workspace
from tests.support.threaded_backend import PATIENCE
from tests.support.wait import wait_until

POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "


def test_whatever_it_answers_is_for_its_own_page_alone(place: Workspace) -> None:
    site = DashboardClient(place)
    for path in ("/", "/main.js", "/style.css", "/icon.svg", "/v1/history", "/v1/about", "/nowhere"):
        answer = site.asks(path)
        assert answer.status == (404 if path == "/nowhere" else 200)
        assert answer.headers["Content-Security-Policy"].startswith(POLICY)
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Access-Control-Allow-Origin" not in answer.headers
    site.ends()


def test_a_name_that_is_not_ours_is_misdirected(place: Workspace) -> None:
    site = DashboardClient(place, "--dashboard-control")
    for path in ("/", "/v1/history", "/v1/events"):
        assert site.status(path, Host="evil.example") == 421
    assert site.status("/v1/drain", "POST", {"service": "proxy", "number": 1}, Host="evil.example") == 421
    assert place.comes_to("ready", "ready")
    site.ends()


def test_a_page_of_another_site_reads_nothing_and_takes_no_place(place: Workspace) -> None:
    site = DashboardClient(place)
    for path in ("/v1/events", "/v1/history", "/v1/about"):
        for foreign in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            answer = site.asks(path, **foreign)
            assert answer.status == 403
            assert json.loads(answer.text)["error"] == "other web pages may not request this"
    assert site.asks("/v1/about").status == 200
    site.ends()


def test_without_control_there_is_only_reading(place: Workspace) -> None:
    site = DashboardClient(place)
    assert site.token == ""
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        answer = site.asks("/v1/drain", method, {"service": "proxy", "number": 1})
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert site.status("/", "HEAD") == 200
    assert place.comes_to("ready", "ready")
    site.ends()


def test_orders_need_the_token_and_our_own_page(place: Workspace) -> None:
    site = DashboardClient(place, "--dashboard-control")
    first = {"service": "proxy", "number": 1}
    assert site.status("/v1/drain", "POST", first, Authorization="Bearer guessed") == 401
    assert site.status("/v1/drain", "POST", first, Authorization="") == 401
    assert site.status("/v1/drain", "POST", first, Origin="http://evil.example") == 403
    assert place.comes_to("ready", "ready")
    assert site.status("/v1/drain", "POST", first) == 200
    assert place.comes_to("maintenance", "ready")
    site.ends()


def test_an_order_that_makes_no_sense_is_refused(place: Workspace) -> None:
    site = DashboardClient(place, "--dashboard-control")
    for path in ("/v1/drain", "/v1/undrain", "/v1/scale", "/v1/rollout", "/v1/rollout/promote", "/v1/rollout/abort"):
        assert site.status(path, "POST", {"number": "one"}) == 400
    site.ends()


def test_what_cannot_be_done_is_told_with_a_hint(place: Workspace) -> None:
    site = DashboardClient(place, "--dashboard-control")
    for path, order in {
        "scale": {"desired": {"proxy": 3}, "oldest_first": False},
        "rollout": {"service": "proxy"},
    }.items():
        answer = json.loads(site.asks(f"/v1/{path}", "POST", order).text)
        assert answer["error"] == f"the backends of proxy `{site.proxy.name}` are fixed"
        assert "start it with other" in answer["hint"]
    site.ends()


def test_other_terminals_get_its_address_and_not_the_token(place: Workspace) -> None:
    site = DashboardClient(place, "--dashboard-control")
    (client,) = running_daemons(place.runtime / "composectl")
    assert client.info.dashboard == f"http://{site.host}/"
    assert site.token not in place.run("status", "--json")
    site.ends()


@pytest.mark.slow
def test_the_history_is_there_for_a_later_page(place: Workspace) -> None:
    site = DashboardClient(place)

    def seconds() -> int:
        return len(json.loads(site.asks("/v1/history").text))

    assert wait_until(lambda: seconds() >= 3)
    site.ends()


def test_it_ends_without_waiting_for_a_page_that_is_open(place: Workspace) -> None:
    site = DashboardClient(place)
    with socket.create_connection(("127.0.0.1", site.port), timeout=PATIENCE) as page:
        page.sendall(f"GET /v1/events HTTP/1.1\r\nHost: {site.host}\r\n\r\n".encode())
        stream = page.recv(65536)
        while b"event: snapshot" not in stream:
            stream += page.recv(65536)
        site.ends()
        while more := page.recv(65536):
            stream += more
    assert b"event: end" in stream
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", site.port))


def test_many_open_pages_that_read_nothing_do_not_harm_the_proxy(place: Workspace) -> None:
    site = DashboardClient(place)
    pages = [socket.create_connection(("127.0.0.1", site.port), timeout=PATIENCE) for _ in range(200)]
    for page in pages:
        page.sendall(f"GET /v1/events HTTP/1.1\r\nHost: {site.host}\r\n\r\n".encode())
    for _ in range(200):
        with closing(HTTPConnection("127.0.0.1", site.proxy.port, timeout=PATIENCE)) as client:
            client.request("GET", "/")
            assert client.getresponse().status == 200
    site.ends()
    for page in pages:
        page.close()


@pytest.mark.parametrize(
    ("words", "culprit"),
    [
        (("--dashboard", "http"), "invalid value `http` for `--dashboard`"),
        (("--dashboard", "70000"), "invalid value `70000` for `--dashboard`"),
        (("--dashboard", "127.0.0.1:9091:80"), "invalid value `127.0.0.1:9091:80` for `--dashboard`"),
        (("--dashboard", "::1:9091"), "invalid value `::1:9091` for `--dashboard`"),
        (("--dashboard-control",), "`--dashboard-control` requires `--dashboard`"),
    ],
)
def test_words_that_make_no_sense(place: Workspace, words: tuple[str, ...], culprit: str) -> None:
    error = cli_error_in(place.composectl("proxy", *GOOD, *words))
    assert error.exit_code == 2
    assert culprit in error.message
    assert "`--dashboard" in error.hint


def test_a_place_that_cannot_be_had(place: Workspace) -> None:
    backend = place.backend()
    for where, why in {
        backend.address: f"cannot listen on {backend.address}: address already in use by",
        "192.0.2.1:9091": "cannot listen on 192.0.2.1:9091: address not available",
        "missing.invalid:9091": "cannot resolve host `missing.invalid`",
    }.items():
        error = cli_error_in(place.composectl("proxy", *GOOD, "--dashboard", where))
        assert error.exit_code == 1
        assert f"cannot serve the dashboard: {why}" in error.message
        assert "`--dashboard [HOST:]PORT`" in error.hint
        assert place.leftovers() == []


def test_one_that_another_composectl_has_is_told_by_its_name(place: Workspace) -> None:
    site = DashboardClient(place)
    error = cli_error_in(place.composectl("proxy", *GOOD, "--dashboard", str(site.port)))
    holder = f"composectl of proxy `{site.proxy.name}`"
    assert (
        error.message == f"cannot serve the dashboard: cannot listen on {site.host}: address already in use by {holder}"
    )
    site.ends()
