"""Other terminals find a proxy by its name, or where it is the only one and no project is meant."""

from __future__ import annotations

import json
import signal

from tests.support.cli_error import cli_error_in
from tests.support.proxy_process import Workspace, parse_summary

COMPOSE_FILE = "services: {}\n"


def test_the_only_proxy_is_shown_wherever_there_is_no_project(place: Workspace) -> None:
    backend = place.backend()
    proxy = place.proxy(backend)
    assert place.comes_to("ready")
    table = place.run("status")
    assert f"127.0.0.1:{proxy.port}" in table
    assert table.count(f" {backend.address} ") == 2  # its row, and its change
    status = json.loads(place.run("status", "--json"))
    assert (status["version"], status["project"]) == (1, f"proxy-{proxy.port}")
    assert status["services"][0]["service"] == "proxy"
    (shown,) = status["services"][0]["backends"]
    assert (shown["number"], shown["name"], shown["address"]) == (1, backend.address, backend.address)
    proxy.ends_by(signal.SIGINT)


def test_of_several_the_one_that_is_named_is_shown(place: Workspace) -> None:
    first = place.proxy(place.backend())
    other = place.proxy(place.backend(), words=("--name", "edge"))
    assert (first.name, other.name) == (f"proxy-{first.port}", "edge")
    error = cli_error_in(place.composectl("status"))
    assert error.message == f"several are running: proxy `edge`, proxy `{first.name}`"
    assert "`-p NAME`" in error.hint
    for proxy in (first, other):
        (service,) = json.loads(place.run("-p", proxy.name, "status", "--json"))["services"]
        assert service["listeners"] == [f"127.0.0.1:{proxy.port}"]
        proxy.ends_by(signal.SIGINT)


def test_beside_a_compose_file_the_project_is_meant(place: Workspace) -> None:
    proxy = place.proxy(place.backend())
    assert place.comes_to("ready")
    beside = place.folder / "project"
    beside.mkdir()
    (beside / "compose.yaml").write_text(COMPOSE_FILE)
    for words in (("status",), ("scale", "echo=1")):
        error = cli_error_in(place.composectl(*words, folder=beside))
        assert "no composectl is running for this project" in error.message
    assert place.composectl("-p", proxy.name, "status", folder=beside).returncode == 0
    proxy.ends_by(signal.SIGINT)


def test_where_nothing_runs_both_ways_to_start_are_told(place: Workspace) -> None:
    error = cli_error_in(place.composectl("status"))
    assert error.exit_code == 1
    assert "no composectl is running" in error.message
    assert "`composectl up --balance SERVICE=N`" in error.hint
    assert "`composectl proxy`" in error.hint


def test_it_cannot_be_scaled(place: Workspace) -> None:
    proxy = place.proxy(place.backend())
    error = cli_error_in(place.composectl("scale", "proxy=2"))
    assert error.exit_code == 1
    assert error.message == f"the backends of proxy `{proxy.name}` are fixed"
    assert place.comes_to("ready")
    proxy.ends_by(signal.SIGINT)


def test_down_drains_and_ends_it(place: Workspace) -> None:
    proxy = place.proxy(place.backend())
    place.run("down")
    assert proxy.ends_by()[0] == 0
    assert place.leftovers() == []


def test_in_the_background_it_serves_until_down(place: Workspace) -> None:
    backend = place.backend()
    words = ("--listen", "127.0.0.1:0", "--backend", backend.address, "-d")
    name, (port,) = parse_summary(place.run("-p", "edge", "proxy", *words))
    assert name == "edge"
    assert place.status()["listeners"] == [f"127.0.0.1:{port}"]
    assert place.comes_to("ready")
    place.run("-p", "edge", "down")
    assert place.leftovers() == []
