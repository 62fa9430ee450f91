"""`status` for shells and machines, `status --watch` and `attach` from another terminal."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.integration.test_live_table import requests
from tests.support.cli_error import cli_error_in
from tests.support.command_line import command_line
from tests.support.http_client import ask
from tests.support.proxy_process import Workspace
from tests.support.terminal import CTRL_C, Terminal
from tests.support.threaded_backend import PATIENCE
from tests.support.wait import wait_until

HOST = "127.0.0.1"


def test_i7_the_exit_code_tells_whether_a_backend_is_ready(place: Workspace) -> None:
    assert place.composectl("status").returncode == 1
    proxy = place.proxy(place.backend())
    assert place.comes_to("ready")
    assert place.composectl("status").returncode == 0
    assert place.composectl("status", "proxy", "--json").returncode == 0
    empty = place.starts("--listen", f"{HOST}:0", "--backend", f"{HOST}:{place.port()}")
    shown = place.composectl("-p", empty.name, "status")
    assert (shown.returncode, "0/1 ready" in shown.stdout) == (3, True)
    assert place.composectl("status", "--all", "--json").returncode == 3
    for started in (proxy, empty):
        started.ends_by(signal.SIGINT)


def test_all_shows_each_by_its_project(place: Workspace) -> None:
    error = cli_error_in(place.composectl("status", "--all"))
    assert (error.exit_code, error.message) == (1, "this user runs no composectl")
    proxies = [place.proxy(place.backend(), words=("--name", name)) for name in ("edge", "inner")]
    assert wait_until(lambda: place.composectl("status", "--all").stdout.count("1/1 ready") == 2)
    table = place.run("status", "--all")
    assert all(f"{name}/proxy  {HOST}:" in table for name in ("edge", "inner"))
    projects = json.loads(place.run("status", "--all", "--json"))["projects"]
    assert [(project["project"], project["services"][0]["service"]) for project in projects] == [
        ("edge", "proxy"),
        ("inner", "proxy"),
    ]
    assert cli_error_in(place.composectl("status", "--all", "proxy")).exit_code == 2
    for proxy in proxies:
        proxy.ends_by(signal.SIGINT)


def test_the_table_is_live_in_another_terminal_too(place: Workspace) -> None:
    backend = place.backend()
    proxy = place.proxy(backend)
    with watching(place, "status", "--watch") as terminal:
        assert terminal.shows(lambda text: requests(text, backend.address) == 0), terminal.screen.text
        for _ in range(5):
            ask(proxy.port, host=HOST)
        assert terminal.shows(lambda text: requests(text, backend.address) == 5), terminal.screen.text
        terminal.type(CTRL_C)
        assert terminal.end() == 130
    assert place.phases() == ["ready"]
    proxy.ends_by(signal.SIGINT)


def test_it_ends_when_what_it_shows_has_ended(place: Workspace) -> None:
    proxy = place.proxy(place.backend())
    with watching(place, "status", "--watch") as terminal:
        assert terminal.shows(lambda text: "1/1 ready" in text)
        proxy.ends_by(signal.SIGTERM)
        assert terminal.end() == 1
    assert f"composectl (process {proxy.process.pid}) has ended" in terminal.written


def test_attach_shows_the_table_and_leaves_it_running(place: Workspace) -> None:
    backend = place.backend()
    place.run("proxy", "--listen", f"{HOST}:0", "--backend", backend.address, "-d")
    with watching(place, "attach") as terminal:
        assert terminal.shows(lambda text: requests(text, backend.address) == 0), terminal.screen.text
        terminal.type(CTRL_C)
        assert terminal.end() == 0
    assert "composectl keeps running: `composectl down` stops it" in terminal.written
    assert place.comes_to("ready")
    place.run("down")


def test_away_from_a_terminal_each_change_is_a_line(place: Workspace) -> None:
    backend = place.backend()
    proxy = place.proxy(backend)
    assert place.comes_to("ready")
    with reading(place, "status", "--watch") as watcher:
        assert watcher.stdout
        assert watcher.stdout.readline() == "proxy: 1 of 1 ready\n"
        place.run("drain", "proxy", "1")
        assert f"{backend.address} ready -> maintenance" in watcher.stdout.readline()
        watcher.send_signal(signal.SIGINT)
        assert watcher.wait(PATIENCE) == 130
    proxy.ends_by(signal.SIGINT)


def test_in_json_there_is_an_object_at_once_and_with_each_change(place: Workspace) -> None:
    proxy = place.proxy(place.backend())
    assert place.comes_to("ready")
    with reading(place, "status", "--json", "--watch") as watcher:
        assert json.loads(line_of(watcher))["services"][0]["backends"][0]["phase"] == "ready"
        place.run("drain", "proxy", "1")
        while json.loads(line_of(watcher))["services"][0]["backends"][0]["phase"] != "maintenance":
            pass
        proxy.ends_by(signal.SIGTERM)
        assert watcher.wait(PATIENCE) == 1


@pytest.mark.slow
def test_a_closed_stdout_ends_it_in_silence(place: Workspace) -> None:
    proxy = place.proxy(place.backend())
    with reading(place, "status", "--json", "--watch") as watcher:
        line_of(watcher)
        assert watcher.stdout
        watcher.stdout.close()
        assert watcher.wait(PATIENCE) == 1
        assert watcher.stderr
        assert watcher.stderr.read() == ""
    proxy.ends_by(signal.SIGTERM)


@pytest.mark.slow
def test_all_goes_on_while_one_of_them_does(place: Workspace) -> None:
    edge, inner = (place.proxy(place.backend(), words=("--name", name)) for name in ("edge", "inner"))
    with reading(place, "status", "--all", "--json", "--watch") as watcher:
        assert projects(watcher) == ["edge", "inner"]
        edge.ends_by(signal.SIGTERM)
        while projects(watcher) != ["inner"]:
            pass
        inner.ends_by(signal.SIGTERM)
        assert watcher.wait(PATIENCE) == 1


@contextmanager
def watching(place: Workspace, *words: str) -> Iterator[Terminal]:
    with Terminal(command_line(*words), place.folder, place.environment()) as terminal:
        yield terminal


@contextmanager
def reading(place: Workspace, *words: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command_line(*words),
        cwd=place.folder,
        env=place.environment(),
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as watcher:
        try:
            yield watcher
        finally:
            watcher.kill()


def line_of(watcher: subprocess.Popen[str]) -> str:
    assert watcher.stdout
    line = watcher.stdout.readline()
    assert line, "it has ended"
    return line


def projects(watcher: subprocess.Popen[str]) -> list[str]:
    return [project["project"] for project in json.loads(line_of(watcher))["projects"]]
