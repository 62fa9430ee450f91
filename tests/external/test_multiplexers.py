"""The live table and its keys in tmux and in GNU screen, in 80 x 24."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.command_line import command_line
from tests.support.proxy_process import Workspace
from tests.support.wait import wait_until

LINES = 24
DOWN = {"tmux": "Down", "screen": "\x1b[B"}


class Tmux:
    """A server of its own, with one window."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._words = ["tmux", "-S", str(folder / "tmux"), "-f", "/dev/null"]
        self._environment = environment

    def start(self, command: str) -> None:
        self._run("new-session", "-d", "-x", "80", "-y", f"{LINES}", command)
        self._run("set-option", "-g", "remain-on-exit", "on")

    def type(self, key: str) -> None:
        self._run("send-keys", key)

    @property
    def text(self) -> str:
        return self._run("capture-pane", "-p")

    def close(self) -> None:
        self._run("kill-server")

    # Private

    def _run(self, *words: str) -> str:
        command = [*self._words, *words]
        return subprocess.run(command, env=self._environment, check=True, capture_output=True, text=True).stdout


class GnuScreen:
    """A session of its own, with one window."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._environment = {**environment, "SCREENDIR": str(folder), "TERM": "xterm"}
        self._name = "table"

    def start(self, command: str) -> None:
        self._run("-dmS", self._name, "-U", "sh", "-c", command)
        assert wait_until(lambda: [*self._folder.glob(f"*.{self._name}")])

    def type(self, key: str) -> None:
        self._run("-S", self._name, "-X", "stuff", key)

    @property
    def text(self) -> str:
        copy = self._folder / "copy"
        copy.unlink(missing_ok=True)
        self._run("-S", self._name, "-X", "hardcopy", str(copy))
        assert wait_until(lambda: copy.exists() and copy.read_bytes().count(b"\n") >= LINES)
        return copy.read_text(errors="replace")

    def close(self) -> None:
        self._run("-S", self._name, "-X", "quit")

    # Private

    def _run(self, *words: str) -> None:
        subprocess.run(["screen", *words], env=self._environment, check=True, capture_output=True)


Multiplexer = Tmux | GnuScreen


@pytest.fixture(params=[Tmux, GnuScreen], ids=["tmux", "screen"])
def multiplexer(request: pytest.FixtureRequest, place: Workspace, tmp_path: Path) -> Iterator[Multiplexer]:
    """It shows a table of three backends, and is empty in the end."""
    tmp_path.chmod(0o700)
    options = [word for _ in range(3) for word in ("--backend", place.backend().address)]
    command = shlex.join(command_line("proxy", "--listen", "127.0.0.1:0", *options))
    environment = place.environment(PATH="/usr/bin:/bin", LC_ALL="C.UTF-8")
    shown: Multiplexer = request.param(tmp_path, environment)
    shown.start(f"cd {shlex.quote(str(place.folder))}; {command}; echo ended with $?; stty -a; sleep 600")
    assert wait_until(lambda: "3/3 ready" in shown.text and "? keys" in shown.text), shown.text
    yield shown
    shown.close()
    assert wait_until(lambda: not place.leftovers())


def test_keys_choose_drain_and_end(multiplexer: Multiplexer, place: Workspace) -> None:
    down = DOWN["tmux" if isinstance(multiplexer, Tmux) else "screen"]
    multiplexer.type(down)
    assert shows(multiplexer, lambda text: re.search(r"^>2 ", text, re.MULTILINE) is not None)
    multiplexer.type("d")
    assert shows(multiplexer, lambda text: "press d again" in text)
    multiplexer.type("d")
    assert place.comes_to("ready", "maintenance", "ready")
    multiplexer.type("?")
    assert shows(multiplexer, lambda text: "choose a replica" in text)
    multiplexer.type("x")
    assert shows(multiplexer, lambda text: "choose a replica" not in text)
    multiplexer.type("q")
    assert shows(multiplexer, lambda text: "press q again" in text)
    multiplexer.type("q")
    assert shows(multiplexer, lambda text: "ended with 130" in text and " icanon" in text and " echo " in text)


def test_the_table_fits(multiplexer: Multiplexer) -> None:
    lines = multiplexer.text.rstrip("\n").splitlines()
    assert len(lines) <= LINES
    assert lines[0].startswith("proxy ")
    assert sum(bool(re.match(r"[> ]\d ", line)) for line in lines) == 3


# Private


def shows(multiplexer: Multiplexer, expected: Callable[[str], bool]) -> bool:
    found = wait_until(lambda: expected(multiplexer.text))
    assert found, multiplexer.text
    return found
