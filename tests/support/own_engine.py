"""A Docker Engine of our own, to be stopped and started at will; its containers run on meanwhile."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import sample

import docker
import pytest
from docker import DockerClient

from tests.support import reaper
from tests.support.wait import wait_until

# One of its own: without any, the engine would remove that of another one.
_BRIDGE = f"e2e-{os.getpid()}"
_OPTIONS = (
    # The machine's firewall is not touched, and no bridge or address of another engine.
    *("--iptables=false", "--ip-forward=false", f"--bridge={_BRIDGE}"),
    "--live-restore",
)


@contextmanager
def own_engine(*options: str) -> Iterator[OwnEngine]:
    """One that runs, started with these options more; DOCKER_HOST names it meanwhile."""
    if os.geteuid() != 0:
        pytest.fail("only root can start an engine of its own", pytrace=False)
    engine = OwnEngine(options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", engine.url)
        try:
            engine.start()
            yield engine
        finally:
            engine.clear()


class OwnEngine:
    """All of it lives in one temporary folder."""

    def __init__(self, options: Sequence[str] = ()) -> None:
        self._block = _free_block()
        self._options = ("--default-address-pool", f"base={self._block}.0.0/16,size=24", *options)
        self._folder = Path(tempfile.mkdtemp(prefix="e2e-engine-"))
        reaper.watch("engine", f"{self._folder}", self._block)
        self.url = f"unix://{self._folder}/docker.sock"
        self._process: subprocess.Popen[bytes] | None = None
        _ip("link", "add", _BRIDGE, "type", "bridge")
        _ip("address", "add", f"{self._block}.255.1/24", "dev", _BRIDGE)
        _ip("link", "set", _BRIDGE, "up")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        folder = self._folder
        (folder / "daemon.json").write_text("{}")
        words = ("--config-file", f"{folder}/daemon.json", "--host", self.url, *_OPTIONS, *self._options)
        places = ("--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid")
        with (folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["dockerd", *words, *places],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        assert wait_until(self._answers, within=60), (folder / "log").read_text()[-2000:]

    def stop(self) -> None:
        """Stop it as an upgrade does."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
            self._process = None

    def client(self) -> DockerClient:
        return docker.DockerClient(self.url)

    def clear(self) -> None:
        """Stop it, and remove all that it has made."""
        self.stop()
        reaper.remove_engine(f"{self._folder}", self._block)
        reaper.forget("engine", f"{self._folder}", self._block)

    # Private

    def _answers(self) -> bool:
        try:
            client = self.client()
        except docker.errors.DockerException:
            return False
        with client.api:
            return bool(client.ping())


def engine_socket() -> Path:
    """Where the engine of this machine listens."""
    return Path(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://"))


# Private


def _free_block() -> str:
    """The first two numbers of addresses to which no route leads: another run may have an engine of its own, too."""
    for number in sample(range(150, 214), 64):
        routes = subprocess.run(["ip", "route", "show", "root", f"10.{number}.0.0/16"], capture_output=True, check=True)
        if not routes.stdout:
            return f"10.{number}"
    raise AssertionError("no block of addresses from 10.150 to 10.213 is free")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
