"""A project in a folder of its own, and composectl run on it as a person would; where its replicas run is open."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from secrets import token_hex
from typing import Any

from composectl.control.client import running_daemons
from tests.support import leftovers, reaper
from tests.support.command_line import command_line
from tests.support.images import ECHO_IMAGE
from tests.support.load_generator import LoadGenerator
from tests.support.ports import free_port
from tests.support.wait import wait_until

ECHO = """\
services:
  echo:
    image: {image}
    ports:
      - "{port}:9090"
"""

Finished = subprocess.CompletedProcess[str]


class Project:
    """One project; `compose` is the Compose that composectl is told to use."""

    rights: tuple[str, ...] = ()
    """The start of each command line of composectl."""

    def __init__(self, compose: Path) -> None:
        # Not a name of mkdtemp: with its `_`, Compose can make one of an image that no engine takes, `e2e-_x-echo`.
        self.name = f"e2e-{token_hex(4)}"
        self._home = Path(tempfile.gettempdir(), self.name)
        self._home.mkdir(mode=0o700)
        self._traces = [("folder", f"{self._home}"), *self.traces(), ("processes", self.name)]
        for trace in self._traces:
            reaper.watch(*trace)
        self._compose = compose
        self.port = free_port()
        self.folder = self._made(self.name)
        self.runtime = self._made("run")
        self.state = self._made("state")
        self.temporary = self._made("tmp")
        self.file = self.folder / "docker-compose.yml"
        self.write(ECHO)

    def traces(self) -> Sequence[tuple[str, ...]]:
        """What the reaper is to remove beside the folder and the processes."""
        return ()

    def write(self, text: str, **values: object) -> None:
        """Write the compose file; `{image}` and `{port}` stand for the echo image and a free port."""
        self.file.write_text(text.format(image=ECHO_IMAGE, port=self.port, **values))

    # What a person types

    def composectl(self, *words: str, timeout: float = 120, **how: Any) -> Finished:
        """Run `composectl WORDS` to its end; `how` is for `command_line` and `environment`, `stdin` for it to read."""
        rights, stdin = how.pop("rights", self.rights), how.pop("stdin", "")
        return self._finished(command_line(*words, rights=rights), self.environment(**how), timeout, stdin)

    def run(self, *words: str, timeout: float = 120, **how: Any) -> str:
        """Run `composectl WORDS`, which must succeed; its standard output."""
        done = self.composectl(*words, timeout=timeout, **how)
        assert done.returncode == 0, f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def shows(self, *words: str) -> str:
        """What `composectl WORDS` prints of what runs, whether a backend is ready or not."""
        done = self.composectl(*words)
        assert done.returncode in (0, 3), f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def starts(self, *words: str) -> subprocess.Popen[str]:
        """Start `composectl WORDS` away from any terminal."""
        return subprocess.Popen(
            command_line(*words, rights=self.rights),
            cwd=self.folder,
            env=self.environment(),
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def plain_compose(self, *words: str) -> Finished:
        """Run Compose itself, as if composectl were not there."""
        return self._finished([str(self._compose), *words], self.environment(), 120)

    def environment(self, **changes: str | None) -> dict[str, str]:
        """The environment of what runs here; a change to None takes the variable out."""
        mine: dict[str, str | None] = {
            **os.environ,
            "COMPOSECTL_COMPOSE": str(self._compose),
            "XDG_RUNTIME_DIR": str(self.runtime),
            "XDG_STATE_HOME": str(self.state),
            "TMPDIR": str(self.temporary),
            leftovers.MARK: self.name,
            **changes,
        }
        return {name: value for name, value in mine.items() if value is not None}

    def load(self, per_second: int, at_least: int = 0, **how: Any) -> LoadGenerator:
        """The load of clients of the project's port."""
        return LoadGenerator(self.port, per_second, at_least, **how)

    # What there is

    def status(self, service: str = "echo") -> dict[str, Any]:
        """What `composectl status --json` shows of the service, asked for without a process."""
        daemons = running_daemons(self.runtime / "composectl")
        assert daemons, "no composectl runs"
        return next(status for status in daemons[0].status()["services"] if status["service"] == service)

    def has_ready(self, replicas: int) -> bool:
        """Whether it comes to so many ready backends: `up -d` waits for the first one only."""
        return wait_until(lambda: [backend["phase"] for backend in self.status()["backends"]] == ["ready"] * replicas)

    def leftovers(self) -> list[str]:
        """What of this project is on the machine, Docker's part and ours."""
        return self.own_leftovers()

    def own_leftovers(self) -> list[str]:
        """The processes and files of composectl that are still there."""
        return [*leftovers.of_processes(self.name), *leftovers.of_files(self.runtime, self.temporary)]

    def has_left_nothing(self) -> bool:
        """Whether nothing is on the machine; a process that has said its last word may take a moment to end."""
        return wait_until(lambda: not self.leftovers())

    # The end

    def stop(self) -> None:
        """Take everything down the way that a person does."""
        self.composectl("down", "--timeout", "0")

    def cleanup(self) -> list[str]:
        """Remove what is left, by force; what it was."""
        litter = [] if self.has_left_nothing() else self.leftovers()
        leftovers.end_processes(self.name)
        self.remove()
        shutil.rmtree(self._home)
        for trace in self._traces:
            reaper.forget(*trace)
        return litter

    def remove(self) -> None:
        """Remove Docker's part by force."""

    # Private

    def _made(self, *parts: str) -> Path:
        folder = self._home.joinpath(*parts)
        folder.mkdir(mode=0o700)
        return folder

    def _finished(
        self, command: Sequence[str], environment: Mapping[str, str], timeout: float, stdin: str = ""
    ) -> Finished:
        return subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            timeout=timeout,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
