"""Removes what a process of the tests has made, should that process die: Ctrl-C kills the workers of pytest-xdist.

`python -m tests.support.reaper` reads what to remove and what is removed already, and acts at the end of its input.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from subprocess import Popen

from tests.support import leftovers
from tests.support.paths import ROOT
from tests.support.wait import wait_until

_PATIENCE = 60.0


def watch(kind: str, *words: str) -> None:
    """Have this removed when this process dies; `kind` is one of `REMOVERS`, which tell the words."""
    _tell("watch", kind, *words)


def forget(kind: str, *words: str) -> None:
    """This is removed."""
    _tell("forget", kind, *words)


def remove_folder(folder: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def remove_containers(host: str, project: str) -> None:
    """Those of a project, and its networks, if the engine still answers."""
    import docker

    with suppress(docker.errors.DockerException, OSError):
        leftovers.remove(docker.DockerClient(host), project)


def remove_engine(folder: str, block: str) -> None:
    """Its processes, those of its containers, and all bridges with addresses in its `block`, such as `10.150`."""
    for process in _processes_in(folder):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    assert wait_until(lambda: not _processes_in(folder), within=_PATIENCE)
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    for mount in (line.split()[4] for line in reversed(mounts)):
        if mount.startswith(f"{folder}/"):
            subprocess.run(["umount", mount], check=True)
    shutil.rmtree(folder)
    routes = subprocess.run(["ip", "route", "show", "root", f"{block}.0.0/16"], capture_output=True, check=True)
    for bridge in {line.split()[2] for line in routes.stdout.decode().splitlines()}:
        subprocess.run(["ip", "link", "delete", bridge], check=True)


def remove_swarm(folder: str) -> None:
    """The lab that `scripts/three-engines` has made there."""
    subprocess.run([ROOT / "scripts" / "three-engines", "down"], env={**os.environ, "LAB": folder}, check=True)


REMOVERS: dict[str, Callable[..., None]] = {
    "processes": leftovers.end_processes,
    "containers": remove_containers,
    "folder": remove_folder,
    "engine": remove_engine,
    "swarm": remove_swarm,
}


def main() -> None:
    """The last thing made is the first one removed."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    watched: list[list[str]] = []
    for verb, *words in map(json.loads, sys.stdin):
        if verb == "watch":
            watched.append(words)
        else:
            watched.remove(words)
    for kind, *words in reversed(watched):
        REMOVERS[kind](*words)


# Private


def _tell(*words: str) -> None:
    stdin = _started(os.getpid()).stdin
    assert stdin
    stdin.write(json.dumps(words) + "\n")
    stdin.flush()


@cache
def _started(_: int) -> Popen[str]:
    """The reaper of the process with this id, in a session of its own: Ctrl-C is not for it."""
    command = [sys.executable, "-m", "tests.support.reaper"]
    reaper = Popen(command, cwd=ROOT, stdin=subprocess.PIPE, text=True, start_new_session=True)
    atexit.register(reaper.communicate)
    return reaper


def _processes_in(folder: str) -> set[int]:
    """Those whose command line names the folder, and their children: a container has another command line."""
    parents = {int(line.name): _parent(line) for line in Path("/proc").glob("[0-9]*")}
    named = {process for process in parents if f"{folder}/" in _command_line(process)}
    return named | {process for process, parent in parents.items() if parent in named}


def _parent(folder: Path) -> int:
    with suppress(OSError):
        return int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    return 0


def _command_line(process: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_text(errors="replace")
    return ""


if __name__ == "__main__":
    main()
