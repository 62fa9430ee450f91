"""`-d`: on without a terminal, with a log that stays."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
from datetime import datetime

import pytest

from tests.support.cli_error import cli_error_in
from tests.support.command_line import command_line
from tests.support.http_client import ask
from tests.support.proxy_process import Workspace, parse_summary
from tests.support.terminal import Terminal
from tests.support.threaded_backend import PATIENCE, ThreadedBackend
from tests.support.wait import wait_until

HOST = "127.0.0.1"
MOVES = ("ready -> draining", "draining -> drained")


@pytest.fixture
def backend(place: Workspace) -> ThreadedBackend:
    return place.backend()


def started(place: Workspace, backend: ThreadedBackend) -> int:
    """The port of a proxy named `edge` in the background."""
    words = ("proxy", "--listen", f"{HOST}:0", "--backend", backend.address, "--name", "edge", "-d")
    _, (port,) = parse_summary(place.run(*words))
    return port


def log_of(place: Workspace) -> list[str]:
    """The lines of the log, each of which must have a time, without it."""
    lines = place.run("logs", "--balancer").splitlines()
    return [text for line in lines for at, _, text in [line.partition(" ")] if datetime.fromisoformat(at).tzinfo]


def pid_of(place: Workspace) -> int:
    (lock,) = place.runtime.rglob("*.lock")
    return int(lock.read_text())


def test_its_log_tells_from_the_beginning_to_the_end_and_stays(place: Workspace, backend: ThreadedBackend) -> None:
    port, pid = started(place, backend), pid_of(place)
    assert place.comes_to("ready")
    place.run("down")
    assert wait_until(lambda: log_of(place)[-1] == "ended with exit code 0")
    first, summary, ready, why, *leaving, _ = log_of(place)
    assert re.fullmatch(rf"composectl \S+, process {pid}", first)
    assert summary == f"edge: 1 backend behind {HOST}:{port}"
    assert ready == f"{backend.address} starting -> ready: its port accepts"
    assert why == "shutting down: requested by another terminal"
    assert [line.split(": ")[0] for line in leaving] == [f"{backend.address} {move}" for move in MOVES]
    (log,) = place.state.rglob("*.log")
    assert log.stat().st_mode & 0o777 == 0o600
    assert place.leftovers() == []


def test_a_signal_stands_in_the_log(place: Workspace, backend: ThreadedBackend) -> None:
    started(place, backend)
    os.kill(pid_of(place), signal.SIGTERM)
    assert wait_until(lambda: log_of(place)[-1] == "ended with exit code 143")
    assert "shutting down: SIGTERM" in log_of(place)


def test_followed_the_log_goes_on_until_the_end(place: Workspace, backend: ThreadedBackend) -> None:
    started(place, backend)
    assert place.comes_to("ready")
    with subprocess.Popen(
        command_line("logs", "--balancer", "-f"),
        cwd=place.folder,
        env=place.environment(),
        text=True,
        stdout=subprocess.PIPE,
    ) as follower:
        assert follower.stdout
        while "starting -> ready" not in follower.stdout.readline():
            pass
        place.run("drain", "proxy", "1")
        assert "ready -> maintenance" in follower.stdout.readline()
        place.run("down")
        assert follower.stdout.readlines()[-1].endswith(" ended with exit code 0\n")
        assert follower.wait(PATIENCE) == 0


def test_it_survives_the_terminal_that_it_was_started_in(place: Workspace, backend: ThreadedBackend) -> None:
    words = ("proxy", "--listen", f"{HOST}:0", "--backend", backend.address, "-d")
    shell = ["/bin/sh", "-c", '"$@"; echo done; read nothing', "sh", *command_line(*words)]
    with Terminal(shell, place.folder, place.environment()) as terminal:
        assert terminal.shows(lambda text: "done" in text)
        assert " behind " in terminal.screen.text
    assert place.comes_to("ready")
    port = int(place.status()["listeners"][0].rpartition(":")[2])
    assert ask(port, host=HOST).text == backend.address
    place.run("down")


def test_a_lock_that_its_caller_holds_is_free_once_that_has_ended(place: Workspace, backend: ThreadedBackend) -> None:
    words = ("proxy", "--listen", f"{HOST}:0", "--backend", backend.address, "-d")
    with (place.folder / "lock").open("w") as lock, (place.folder / "lock").open("w") as other:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(
            command_line(*words), cwd=place.folder, env=place.environment(), pass_fds=(lock.fileno(),), check=True
        )
        lock.close()
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert place.comes_to("ready")
    place.run("down")


def test_a_second_one_of_that_name_is_refused_with_a_hint(place: Workspace, backend: ThreadedBackend) -> None:
    started(place, backend)
    error = cli_error_in(
        place.composectl("proxy", "--listen", f"{HOST}:0", "--backend", backend.address, "--name", "edge", "-d")
    )
    assert error.message == f"proxy `edge` is already running (process {pid_of(place)})"
    assert "stop it with `composectl -p edge down`" in error.hint
    place.run("down")


def test_killed_it_can_be_started_again_and_both_are_in_the_log(place: Workspace, backend: ThreadedBackend) -> None:
    started(place, backend)
    pids = [pid_of(place)]
    os.kill(pids[0], signal.SIGKILL)
    assert wait_until(lambda: place.composectl("status").returncode == 1)
    started(place, backend)
    pids.append(pid_of(place))
    assert place.comes_to("ready")
    place.run("down")
    assert [line.rpartition(" ")[2] for line in log_of(place) if line.startswith("composectl ")] == list(map(str, pids))


def test_where_no_log_can_be_kept_nothing_is_started(place: Workspace, backend: ThreadedBackend) -> None:
    place.state.rmdir()
    place.state.touch()
    error = cli_error_in(place.composectl("proxy", "--listen", "0", "--backend", backend.address, "-d"))
    assert error.message.startswith(f"cannot write in {place.state}/composectl: ")
    place.state.unlink()


def test_where_nothing_has_run_in_the_background_there_is_no_log(place: Workspace) -> None:
    error = cli_error_in(place.composectl("logs", "--balancer"))
    assert error.message == "no log: composectl has not run in the background"
    error = cli_error_in(place.composectl("-p", "edge", "logs", "--balancer", "--tail"))
    assert (error.exit_code, error.message) == (2, "`--tail` cannot be combined with `--balancer`")
