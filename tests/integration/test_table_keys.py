"""The keys of the live table, typed in a real terminal; what they do is seen in the API."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.command_line import command_line
from tests.support.proxy_process import Workspace
from tests.support.terminal import CTRL_C, Terminal
from tests.support.wait import wait_until

DOWN = "\x1b[B"
CTRL_Z = "\x1a"
HIDDEN, SHOWN = "\x1b[?25l", "\x1b[?25h"


@contextmanager
def proxy(place: Workspace, kind: str = "xterm-256color", **environment: str) -> Iterator[Terminal]:
    """A proxy over three backends in the foreground of a terminal of 80 x 24."""
    addresses = [place.backend().address for _ in range(3)]
    options = [word for address in addresses for word in ("--backend", address)]
    command = command_line("proxy", "--listen", "127.0.0.1:0", *options)
    with Terminal(command, place.folder, place.environment(**environment), 24, 80, kind) as terminal:
        assert terminal.shows(lambda text: "3/3 ready" in text and "? keys" in text), terminal.screen.text
        yield terminal
        if terminal.process.poll() is None:
            terminal.type(CTRL_C)
            assert terminal.end() == 130


def phases(place: Workspace) -> list[str]:
    return [str(backend["phase"]) for backend in place.status()["backends"]]


def asks(terminal: Terminal, question: str) -> bool:
    return terminal.shows(lambda text: question in text)


def test_a_replica_is_chosen_drained_and_returned(place: Workspace) -> None:
    with proxy(place) as terminal:
        terminal.type(DOWN)
        assert terminal.shows(lambda text: re.search(r"^>2 ", text, re.MULTILINE) is not None)
        terminal.type("d")
        assert asks(terminal, "press d again")
        assert phases(place) == ["ready"] * 3
        terminal.type("d")
        assert wait_until(lambda: phases(place) == ["ready", "maintenance", "ready"])
        assert terminal.shows(
            lambda text: "drained, nothing in flight" in text and ">2 " in text and "maintenance  " in text
        )
        terminal.type("d")
        assert wait_until(lambda: phases(place) == ["ready"] * 3)


def test_another_key_cancels_the_question(place: Workspace) -> None:
    with proxy(place) as terminal:
        terminal.type("d")
        assert asks(terminal, "press d again")
        terminal.type("x")
        assert terminal.shows(lambda text: "press d again" not in text)
        terminal.type("d")
        assert asks(terminal, "press d again")
        assert phases(place) == ["ready"] * 3


def test_q_twice_ends_it_as_ctrl_c_does(place: Workspace) -> None:
    with proxy(place) as terminal:
        terminal.type("q")
        assert asks(terminal, "press q again")
        terminal.type("q")
        assert terminal.end() == 130
    assert "drained" in terminal.screen.text
    assert "Traceback" not in terminal.written


def test_what_a_proxy_cannot_do_is_told_and_changes_nothing(place: Workspace) -> None:
    with proxy(place) as terminal:
        terminal.type("+")
        assert terminal.shows(lambda text: "are fixed" in text)
        terminal.type("l")
        assert terminal.shows(lambda text: "there are no logs" in text)
        assert phases(place) == ["ready"] * 3


@pytest.mark.parametrize("kind", ["xterm-256color", "screen", "tmux-256color", "linux", "vt100"])
def test_every_kind_of_terminal_takes_keys(place: Workspace, kind: str) -> None:
    with proxy(place, kind, NO_COLOR="1") as terminal:
        terminal.type("\x1bOB" if kind == "vt100" else DOWN)
        assert terminal.shows(lambda text: re.search(r"^>2 ", text, re.MULTILINE) is not None)
        assert not re.search(r"\x1b\[[0-9;]*m", terminal.written)


def test_a_dumb_terminal_gets_lines_and_no_keys(place: Workspace) -> None:
    backend = place.backend()
    command = command_line("proxy", "--listen", "127.0.0.1:0", "--backend", backend.address)
    with Terminal(command, place.folder, place.environment(), 24, 80, "dumb") as terminal:
        assert terminal.shows(lambda text: "starting -> ready" in text)
        assert terminal.echoes()
        terminal.type(CTRL_C)
        assert terminal.end() == 130
    assert "? keys" not in terminal.written
    assert "\x1b" not in terminal.written


def test_the_list_of_keys_is_shown_and_hidden(place: Workspace) -> None:
    with proxy(place) as terminal:
        terminal.type("?")
        assert terminal.shows(lambda text: "choose a replica" in text)
        terminal.type("?")
        assert terminal.shows(lambda text: "choose a replica" not in text)


def test_a_filter_shows_what_matches(place: Workspace) -> None:
    with proxy(place) as terminal:
        terminal.type("/#2\r")
        assert terminal.shows(lambda text: re.findall(r"^[> ](\d) ", text, re.MULTILINE) == ["2"])
        terminal.type("\x1b")
        assert terminal.shows(lambda text: re.findall(r"^[> ](\d) ", text, re.MULTILINE) == ["1", "2", "3"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_terminal_is_as_it_was_after_a_signal(place: Workspace, number: signal.Signals) -> None:
    with proxy(place) as terminal:
        assert not terminal.echoes()
        os.kill(terminal.process.pid, number)
        assert terminal.end() == 128 + number
        assert terminal.echoes()
        assert terminal.is_canonical()
    assert SHOWN in terminal.written.rpartition(HIDDEN)[2]


def test_the_terminal_is_as_it_was_after_a_kill(place: Workspace) -> None:
    script = ["sh", "-c", f"{attach_words()}; sleep 600"]
    environment = place.environment(PATH=os.environ["PATH"])
    with proxy(place), Terminal(script, place.folder, environment, 24, 80) as terminal:
        assert terminal.shows(lambda text: "? keys" in text), terminal.screen.text
        pid = terminal.process.pid
        os.kill(int(Path(f"/proc/{pid}/task/{pid}/children").read_text()), signal.SIGKILL)
        assert wait_until(lambda: terminal.echoes() and terminal.is_canonical())
        assert terminal.shows(lambda _: SHOWN in terminal.written.rpartition(HIDDEN)[2])


def test_attach_has_keys_too_and_q_leaves_it_at_once(place: Workspace) -> None:
    with proxy(place), attached(place) as other:
        other.type(DOWN)
        other.type("d")
        assert asks(other, "press d again")
        other.type("d")
        assert wait_until(lambda: phases(place)[1] == "maintenance")
        other.type("q")
        assert other.end() == 0
        assert "keeps running: `composectl down`" in other.screen.text
        assert other.echoes()
        assert phases(place) == ["ready", "maintenance", "ready"]


def test_status_watch_has_no_keys(place: Workspace) -> None:
    with proxy(place):
        command = command_line("status", "--watch")
        with Terminal(command, place.folder, place.environment(), 24, 80) as terminal:
            assert terminal.shows(lambda text: "3/3 ready" in text)
            terminal.type("q")
            assert "? keys" not in terminal.screen.text
            assert terminal.is_canonical()
            terminal.type(CTRL_C)
            assert terminal.end() == 130


@pytest.mark.parametrize(
    ("words", "last"),
    [
        ("attach", "composectl down` stops it"),
        ("proxy --listen 127.0.0.1:0 --backend {address}", "-> drained"),
    ],
)
def test_ctrl_z_gives_the_terminal_back_and_fg_takes_it_again(place: Workspace, words: str, last: str) -> None:
    with shell(place) as terminal:
        command = command_line(*words.format(address=place.backend().address).split())
        terminal.type(f"{' '.join(command)}\r")
        terminal.until(re.escape("? keys"))
        terminal.type(CTRL_Z)
        terminal.until("Stopped")
        assert SHOWN in terminal.written.rpartition(HIDDEN)[2]
        terminal.type("echo still$((1 + 1))here\r")
        terminal.until("still2here")
        terminal.type("fg\r")
        terminal.until(re.escape("? keys"))
        terminal.type("?")
        assert terminal.shows(lambda text: "choose a replica" in text), terminal.screen.text
        terminal.type("x")
        assert terminal.shows(lambda text: "choose a replica" not in text)
        terminal.type(CTRL_C)
        assert terminal.shows(lambda text: last in text and text.rstrip().endswith("$")), terminal.screen.text
        terminal.type("stty -a\r")
        assert terminal.shows(lambda text: " icanon" in text and " echo " in text)


def test_a_background_job_leaves_the_keys_to_the_shell(place: Workspace) -> None:
    with shell(place) as terminal:
        terminal.type(f"{attach_words()} &\r")
        assert terminal.shows(lambda text: "3/3 ready" in text), terminal.screen.text
        terminal.type("jobs; echo typed$((1 + 1))here\r")
        assert terminal.shows(lambda text: "typed2here" in text and "Running" in text), terminal.screen.text
        assert "? keys" not in terminal.written
        terminal.type("fg\r")
        assert terminal.shows(lambda text: "? keys" in text), terminal.screen.text
        terminal.type("q")
        assert terminal.shows(lambda text: "keeps running: `composectl down`" in text), terminal.screen.text


@contextmanager
def attached(place: Workspace) -> Iterator[Terminal]:
    with Terminal(command_line("attach"), place.folder, place.environment(), 24, 80) as terminal:
        assert terminal.shows(lambda text: "? keys" in text), terminal.screen.text
        yield terminal


@contextmanager
def shell(place: Workspace) -> Iterator[Terminal]:
    """A shell with job control, beside a proxy over three backends."""
    options = [word for _ in range(3) for word in ("--backend", place.backend().address)]
    running = place.starts("--listen", "127.0.0.1:0", *options)
    environment = place.environment(PS1="$ ", PATH=os.environ["PATH"])
    with Terminal(["bash", "--norc", "--noprofile", "-i"], place.folder, environment, 40, 100) as terminal:
        yield terminal
        terminal.type("exit\r")
        terminal.end()
    running.ends_by(signal.SIGTERM)


def attach_words() -> str:
    return " ".join(command_line("attach"))
