"""Follows a service of a swarm as composectl does, and tells when each task comes and goes: a process of its own.

`python -m tests.support.swarm_follower URL SERVICE` prints lines such as `1764412345.678 came 2b8...`, until it is
killed; Docker's own list is told in the same words by `own_list`.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import docker

from composectl.balance.backend import Key, Replica
from composectl.engine.endpoint import Endpoint
from composectl.engine.swarm_client import SwarmEngine
from composectl.engine.swarm_watch import SwarmWatch
from tests.support.paths import ROOT

CAME, LEFT = "came", "left"
_LOOK_EVERY = 0.05

Moments = dict[tuple[str, str], float]
"""When a task came or left, in epoch seconds, by that word and its id."""


class Follower:
    """A process that follows a service; `url` is a manager's."""

    def __init__(self, url: str, service: str) -> None:
        self.moments: Moments = {}
        command = [sys.executable, "-m", "tests.support.swarm_follower", url, service]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def share_of_a_core(self, seconds: float) -> float:
        """What it uses in so many seconds, once it has been at rest for as long."""
        shares = []
        for _ in range(2):
            used, began = self._cpu_seconds(), time.monotonic()
            time.sleep(seconds)
            shares.append((self._cpu_seconds() - used) / (time.monotonic() - began))
        return shares[-1]

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()

    # Private

    def _cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            moment, word, task = line.split()
            self.moments.setdefault((word, task), float(moment))


@contextmanager
def own_list(url: str, service: str) -> Iterator[Moments]:
    """While entered, Docker is asked all the time which tasks of the service run, and are to run."""
    moments: Moments = {}
    is_over = threading.Event()
    looking = threading.Thread(target=_look, args=(url, service, moments, is_over))
    looking.start()
    try:
        yield moments
    finally:
        is_over.set()
        looking.join()


def main(url: str, service: str) -> None:
    asyncio.run(_follow(url, service))


# Private


class _Teller:
    """An observer that prints what is new."""

    def __init__(self) -> None:
        self._there: set[str] = set()
        self._left: set[str] = set()

    def replicas_listed(self, service: str, replicas: Sequence[Replica]) -> None:
        there = {replica.id for replica in replicas}
        for task in there - self._there:
            self._tell(CAME, task)
        for task in self._there - there - self._left:
            self._tell(LEFT, task)
        self._there = there

    def replica_stopping(self, service: str, task: str, reason: str) -> None:
        if task not in self._left:
            self._left.add(task)
            self._tell(LEFT, task)

    def replica_gone(self, service: str, key: Key, reason: str) -> None: ...
    def engine_lost(self, reason: str) -> None: ...
    def engine_back(self) -> None: ...

    def _tell(self, word: str, task: str) -> None:
        sys.stdout.write(f"{time.time()} {word} {task}\n")
        sys.stdout.flush()


async def _follow(url: str, service: str) -> None:
    engine = await SwarmEngine.connect(Endpoint(url))
    await SwarmWatch(engine, {"echo": service}, _Teller()).run()


def _look(url: str, service: str, moments: Moments, is_over: threading.Event) -> None:
    client = docker.DockerClient(url)
    there: set[str] = set()
    while not is_over.wait(_LOOK_EVERY):
        found = client.api.tasks({"service": service, "desired-state": "running"})
        now = {task["ID"] for task in found if task["Status"]["State"] == "running"}
        moments |= {(CAME, task): time.time() for task in now - there}
        moments |= {(LEFT, task): time.time() for task in there - now}
        there = now
    client.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
