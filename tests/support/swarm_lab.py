"""Three hosts with an engine each that form a swarm (`scripts/three-engines`), and a fourth one for clients."""

from __future__ import annotations

import ctypes
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from secrets import token_hex
from typing import Any

import docker
import pytest
from docker import DockerClient

from tests.support import images, reaper
from tests.support.leftovers import marked_processes
from tests.support.paths import ROOT
from tests.support.wait import wait_until

ENGINES = ("modern", "system")
HOSTS = (1, 2, 3)
MANAGER = "10.77.0.11"
"""The address of host 1, where composectl runs."""

_SCRIPT = ROOT / "scripts" / "three-engines"
_MODERN = ROOT / ".tools" / "modern-engine" / "usr"
_PATIENCE = 10  # seconds
_CLONE_NEWNET = 0x40000000  # sched.h


class SwarmLab:
    """All of it lives in one folder; `engine` is one of `ENGINES`."""

    def __init__(self, engine: str, managers: int = 1) -> None:
        if os.geteuid() != 0:
            pytest.fail("only root can start engines of its own", pytrace=False)
        self.engine = engine
        self._clients: dict[int, DockerClient] = {}
        self.folder = Path(tempfile.gettempdir(), f"e2e-swarm-{token_hex(4)}")
        reaper.watch("swarm", f"{self.folder}")
        self._run("up", f"{managers}", timeout=300)

    @cached_property
    def version(self) -> str:
        """That of the engines, such as `28.5`."""
        number: str = self.client(1).version()["Version"]
        return ".".join(number.split(".")[:2])

    def environment(self) -> dict[str, str]:
        """That of a person on host 1."""
        programs = (_MODERN / "sbin", _MODERN / "bin") if self.engine == "modern" else ("/usr/sbin", "/usr/bin")
        path = ":".join(map(str, (*programs, os.environ["PATH"])))
        return {"DOCKER_HOST": self.url(1), "PATH": path}

    def url(self, host: int) -> str:
        return f"unix://{self.folder}/{host}/docker.sock"

    def client(self, host: int) -> DockerClient:
        """Of its engine; an answer that does not come in time is an OSError."""
        if host not in self._clients:
            self._clients[host] = docker.DockerClient(self.url(host), timeout=_PATIENCE)
        return self._clients[host]

    def host_of(self, node_id: str) -> int:
        return next(_host(node) for node in _nodes(self.client(1)) if node["ID"] == node_id)

    def on(self, host: int | str) -> tuple[str, ...]:
        """The start of a command line that is to run in the network of a host, or of the `client`."""
        return ("nsenter", f"--net={self._network(host)}", "--")

    def enter(self, host: int | str = "client") -> None:
        """Put the calling thread, and threads that it starts, into the network of a host."""
        with self._network(host).open() as network:
            if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"cannot enter the network of host {host}")

    def load_backend(self) -> str:
        """Build the image of `tests/support/backend` for all three; its name."""
        environment = os.environ | self.environment()
        subprocess.run([ROOT / "scripts" / "busybox-image"], env=environment, stdout=subprocess.DEVNULL, check=True)
        images.build_backend(self.client(1))
        self._run("load", images.BACKEND_IMAGE)
        return images.BACKEND_IMAGE

    # What happens to hosts

    def kill(self, host: int) -> None:
        """Its power fails: nothing of it answers any more."""
        self._run("kill", f"{host}")

    def start(self, host: int) -> None:
        """Its power is back."""
        self._run("start", f"{host}")

    def cut(self, host: int) -> None:
        """Pull its wire."""
        self._run("cut", f"{host}")

    def mend(self, host: int) -> None:
        self._run("mend", f"{host}")

    def pause(self, host: int) -> None:
        """Its engine hangs; its containers run on."""
        self._run("pause", f"{host}")

    def resume(self, host: int) -> None:
        self._run("resume", f"{host}")

    def comes_to(self, *states: str, manager: int = 1) -> bool:
        """Whether the nodes come to these states, by the number of their host."""
        return wait_until(lambda: _states(self.client(manager)) == [*states])

    def leader(self, manager: int) -> int:
        """The number of the host that leads the managers, as one of them says; 0 if it knows none."""
        leaders = [node for node in _nodes(self.client(manager)) if node.get("ManagerStatus", {}).get("Leader")]
        return _host(leaders[0]) if leaders else 0

    # The end

    def down(self) -> None:
        for client in self._clients.values():
            client.close()
        self._run("down", timeout=120)
        reaper.forget("swarm", f"{self.folder}")

    def leftovers(self) -> list[str]:
        """What is on the machine of the lab."""
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        cgroups = [
            *Path("/sys/fs/cgroup").glob(self.folder.name),
            *Path("/sys/fs/cgroup").glob(f"*/{self.folder.name}"),
        ]
        return [
            *(f"process {process}" for process in marked_processes(f"LAB={self.folder}")),
            *(f"mount {line}" for line in mounts if self.folder.name in line),
            *(f"cgroup {cgroup}" for cgroup in cgroups),
            *([f"folder {self.folder}"] if self.folder.exists() else []),
        ]

    # Private

    def _network(self, host: int | str) -> Path:
        process = (self.folder / f"{host}" / "pid").read_text().strip()
        return Path(f"/proc/{process}/ns/net")

    def _run(self, *words: str, timeout: float = 90) -> None:
        environment = os.environ | {"LAB": f"{self.folder}", "ENGINE": self.engine}
        done = subprocess.run(
            [_SCRIPT, *words], env=environment, timeout=timeout, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"


@contextmanager
def swarm_lab(engine: str, managers: int = 1) -> Iterator[SwarmLab]:
    """While entered, it is there, with the backend's image; nothing may be left of it."""
    lab = SwarmLab(engine, managers)
    try:
        lab.load_backend()
        yield lab
    finally:
        lab.down()
    assert wait_until(lambda: not lab.leftovers(), within=10), lab.leftovers()


# Private


def _states(client: DockerClient) -> list[str]:
    """`ready`, `down`, `unknown`; where managers do not agree, nothing."""
    return [node["Status"]["State"] for node in sorted(_nodes(client), key=_host)]


def _nodes(client: DockerClient) -> list[dict[str, Any]]:
    try:
        return list(client.api.nodes())
    except (docker.errors.APIError, OSError):
        return []


def _host(node: Mapping[str, Any]) -> int:
    return int(node["Description"]["Hostname"].removeprefix("host"))
