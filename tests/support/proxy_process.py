"""A place without Docker, Compose or a project, and composectl run in it as a person would."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from composectl.control.client import running_daemons
from tests.support import leftovers, reaper
from tests.support.command_line import command_line
from tests.support.kept_port import keep_port
from tests.support.threaded_backend import PATIENCE, ThreadedBackend
from tests.support.wait import wait_until

Finished = subprocess.CompletedProcess[str]


class Workspace:
    """A folder with nothing in it; no command but composectl is to be found from there."""

    def __init__(self) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="static-"))
        self._traces = ("folder", f"{self._home}"), ("processes", self._home.name)
        for trace in self._traces:
            reaper.watch(*trace)
        self.folder = self._made("here")
        self.runtime = self._made("run")
        self.state = self._made("state")
        self._backends: list[ThreadedBackend] = []
        self._started: list[ProxyProcess] = []
        self._kept: list[socket.socket] = []

    # What there is

    def backend(self, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> ThreadedBackend:
        self._backends.append(ThreadedBackend(host, port, tls))
        return self._backends[-1]

    def port(self) -> int:
        """One of 127.0.0.1 that stays ours, whether something listens on it or not."""
        self._kept.append(keep_port())
        return int(self._kept[-1].getsockname()[1])

    def environment(self, **changes: str) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("COMPOSE", "DOCKER"))}
        folders = {
            "XDG_RUNTIME_DIR": str(self.runtime),
            "XDG_STATE_HOME": str(self.state),
            leftovers.MARK: self._home.name,
        }
        return ours | {"PATH": str(self.runtime)} | folders | changes

    def leftovers(self) -> list[str]:
        """The files of composectls, and the processes that answer."""
        files = [f"file {path}" for path in self.runtime.rglob("*") if not path.is_dir()]
        return files + [f"process {daemon.info.pid}" for daemon in running_daemons(self.runtime / "composectl")]

    # What a person types

    def composectl(self, *words: str, folder: Path | None = None) -> Finished:
        """Run `composectl WORDS` to its end."""
        return subprocess.run(
            command_line(*words),
            cwd=folder or self.folder,
            env=self.environment(),
            timeout=60,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def run(self, *words: str) -> str:
        """Run `composectl WORDS`, which must succeed; its standard output."""
        done = self.composectl(*words)
        assert done.returncode == 0, f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def shows(self, *words: str) -> str:
        """What `composectl WORDS` prints of what runs, whether a backend is ready or not."""
        done = self.composectl(*words)
        assert done.returncode in (0, 3), f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def starts(self, *words: str, python: tuple[str, ...] = (), rights: tuple[str, ...] = ()) -> ProxyProcess:
        """Start `composectl proxy WORDS` away from any terminal; it serves when this returns."""
        self._started.append(ProxyProcess(self, command_line("proxy", *words, python=python, rights=rights)))
        return self._started[-1]

    def proxy(self, *backends: ThreadedBackend, words: tuple[str, ...] = ()) -> ProxyProcess:
        """Start a proxy over these on a port of 127.0.0.1."""
        options = [word for backend in backends for word in ("--backend", backend.address)]
        return self.starts("--listen", f"127.0.0.1:{self.port()}", *options, *words)

    def status(self) -> dict[str, Any]:
        """What `composectl status --json` shows of the only service, asked for without a process."""
        (daemon,) = running_daemons(self.runtime / "composectl")
        (service,) = daemon.status()["services"]
        assert isinstance(service, dict)
        return service

    def phases(self) -> list[str]:
        return [backend["phase"] for backend in self.status()["backends"]]

    def comes_to(self, *phases: str) -> bool:
        """Whether the backends of the only proxy come to these phases."""
        return wait_until(lambda: self.phases() == list(phases))

    # The end

    def close(self) -> list[str]:
        """End by force what has not ended by itself, and remove what is left; what that was."""
        litter = self.leftovers()
        for daemon in running_daemons(self.runtime / "composectl"):
            os.kill(daemon.info.pid, signal.SIGKILL)
        for started in self._started:
            started.kill()
        for backend in self._backends:
            backend.close()
            backend.give_up()
        for kept in self._kept:
            kept.close()
        shutil.rmtree(self._home)
        for trace in self._traces:
            reaper.forget(*trace)
        return litter

    # Private

    def _made(self, name: str) -> Path:
        folder = self._home / name
        folder.mkdir(mode=0o700)
        return folder


class ProxyProcess:
    """A proxy in the foreground; `name` and `ports` are what its first line tells."""

    def __init__(self, place: Workspace, command: list[str]) -> None:
        self._complaints = TemporaryFile("w+")  # noqa: SIM115 - `kill` closes it
        self.process = subprocess.Popen(
            command,
            cwd=place.folder,
            env=place.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
        )
        assert self.process.stdout
        self._said = self.process.stdout
        self.summary = self._said.readline()
        assert " behind " in self.summary, self.ends_by()
        self.name, self.ports = parse_summary(self.summary)

    @property
    def port(self) -> int:
        """The only port, or the first."""
        return self.ports[0]

    def complaints(self) -> str:
        """What it has said on stderr so far."""
        return os.pread(self._complaints.fileno(), 1 << 20, 0).decode()

    def ends_by(self, *signals: int) -> tuple[int, str, str]:
        """Send the signals; the exit code, and what else was said on stdout and on stderr."""
        for number in signals:
            self.process.send_signal(number)
        exit_code = self.process.wait(PATIENCE)
        self._complaints.seek(0)
        return exit_code, self._said.read(), self._complaints.read()

    def complaint_with(self, words: str) -> str:
        """The line on stderr that has these words, once it is there."""
        return wait_until(lambda: next((line for line in self._complained() if words in line), ""))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._said.close()
        self._complaints.close()

    # Private

    def _complained(self) -> list[str]:
        with open(f"/proc/self/fd/{self._complaints.fileno()}") as file:
            return file.read().splitlines()


def parse_summary(summary: str) -> tuple[str, list[int]]:
    """The name and the ports in `NAME: 2 backends behind HOST:PORT, ...`."""
    name, _, rest = summary.strip().partition(": ")
    listeners, _, _ = rest.partition(" behind ")[2].partition(";")
    return name, [int(listener.rpartition(":")[2]) for listener in listeners.split(", ")]
