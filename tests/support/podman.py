"""A Podman of our own, which answers as a Docker Engine does."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import docker
import pytest
from docker import DockerClient

from tests.support import leftovers, reaper
from tests.support.wait import wait_until

_CHAINS = "CNI-"
_SETTINGS = """\
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_config_dir = "{folder}/networks"
[containers]
# A machine may not allow to raise them.
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
"""
_STORAGE = """\
[storage]
driver = "vfs"
graphroot = "{folder}/graph"
runroot = "{folder}/run"
"""


@contextmanager
def podman_engine() -> Iterator[DockerClient]:
    """One that runs, all of it in one temporary folder; DOCKER_HOST names it meanwhile."""
    if os.geteuid() != 0 or not shutil.which("podman"):
        pytest.fail("root needs `podman`, which scripts/external installs", pytrace=False)
    folder = Path(tempfile.mkdtemp(prefix="e2e-podman-"))
    traces = ("folder", f"{folder}"), ("processes", folder.name)
    for trace in traces:
        reaper.watch(*trace)
    had_chains = _CHAINS in _firewall()
    settings = {"CONTAINERS_CONF": folder / "containers.conf", "CONTAINERS_STORAGE_CONF": folder / "storage.conf"}
    for file, text in zip(settings.values(), (_SETTINGS, _STORAGE), strict=True):
        file.write_text(text.format(folder=folder))
    environ = {**os.environ, leftovers.MARK: folder.name, **{name: str(file) for name, file in settings.items()}}
    url = f"unix://{folder}/podman.sock"
    service = subprocess.Popen(["podman", "system", "service", "--time=0", url], env=environ, start_new_session=True)
    try:
        assert wait_until(lambda: _answers(url))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DOCKER_HOST", url)
            client = docker.DockerClient(url)
            yield client
            client.close()
    finally:
        subprocess.run(["podman", "rm", "--all", "--force", "--time=0"], env=environ, check=True, capture_output=True)
        service.terminate()
        service.wait(60)
        if not had_chains:
            _remove_chains()
        shutil.rmtree(folder)
        for trace in traces:
            reaper.forget(*trace)


# Private


def _answers(url: str) -> bool:
    with suppress(docker.errors.DockerException, OSError):
        client = docker.DockerClient(url)
        with client.api:
            return bool(client.ping())
    return False


def _firewall() -> str:
    return subprocess.run(["iptables-save"], capture_output=True, text=True, check=True).stdout


def _remove_chains() -> None:
    """Take out of the machine's firewall what Podman's networks have put there."""
    lines = [line for line in _firewall().splitlines() if _CHAINS not in line]
    subprocess.run(["iptables-restore"], input="\n".join([*lines, ""]), text=True, check=True)
