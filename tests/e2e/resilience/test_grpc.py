"""gRPC through `up --balance`: one channel reaches every replica alike, and loses no call while replicas change."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

import grpc
import pytest

from tests.support.compose_project import ComposeProject
from tests.support.grpc_backend import GrpcClient
from tests.support.paths import ROOT
from tests.support.wait import wait_until

# The replicas run the Python of this machine, whose files they mount.
FOLDERS = ("/usr", "/lib", "/lib64", sys.base_prefix, str(ROOT))
SERVICE = """\
services:
  echo:
    image: {image}
    working_dir: {root}
    command: [{python}, -m, tests.support.grpc_server, "50051"]
    stop_grace_period: 12s
    labels:
      version: "{version}"
    ports:
      - "{port}:50051"
    volumes: [{volumes}]
"""
INTERVAL = 0.02  # seconds: 50 calls in each
STREAMS, STREAM_SECONDS, MESSAGES = 5, 5.0, 20
SECONDS = 60.0

pytestmark = pytest.mark.parametrize("compose", ["v2"], indirect=True)


class Callers:
    """Calls at a steady rate, and streams that last; `failed` are the statuses of those that were not answered."""

    def __init__(self, client: GrpcClient) -> None:
        self.answered = 0
        self.streamed = 0
        self.failed: list[str] = []
        self._client = client
        self._over = threading.Event()
        works = (self._call, *([self._stream] * STREAMS))
        self._threads = [threading.Thread(target=work) for work in works]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(SECONDS)

    # Private

    def _call(self) -> None:
        under_way: list[grpc.Future] = []
        while not self._over.wait(INTERVAL):
            under_way.append(self._client.unary.future(b"x", timeout=SECONDS))
            under_way = [call for call in under_way if not self._is_over(call)]
        while under_way:
            under_way.pop().exception(SECONDS)

    def _is_over(self, call: grpc.Future) -> bool:
        if not call.done():
            return False
        if (error := call.exception()) is not None:
            self.failed.append(f"{error.code()}: {error.details()}")
        else:
            self.answered += 1
        return True

    def _stream(self) -> None:
        while not self._over.is_set():
            try:
                heard = list(self._client.both(self._messages(), timeout=SECONDS))
                assert heard == [b"<%d>" % number for number in range(MESSAGES)]
                self.streamed += 1
            except grpc.RpcError as error:
                self.failed.append(f"a stream: {error.code()}: {error.details()}")

    def _messages(self) -> Iterator[bytes]:
        for number in range(MESSAGES):
            threading.Event().wait(STREAM_SECONDS / MESSAGES)
            yield b"%d" % number


@contextmanager
def calling(project: ComposeProject) -> Iterator[Callers]:
    client = GrpcClient(project.port)
    callers = Callers(client)
    try:
        yield callers
    finally:
        callers.stop()
        client.close()


def write(project: ComposeProject, version: int) -> None:
    volumes = ", ".join(f'"{folder}:{folder}:ro"' for folder in FOLDERS)
    project.write(SERVICE, root=ROOT, python=ROOT / ".venv/bin/python", version=version, volumes=volumes)


def test_h2_no_call_is_lost_while_replicas_come_and_go(project: ComposeProject) -> None:
    write(project, 1)
    project.run("up", "--balance", "echo=4", "-d", "--health-check-grpc")
    assert project.has_ready(4)
    client = GrpcClient(project.port)
    served = Counter(client.unary(b"x", timeout=SECONDS) for _ in range(1000))
    client.close()
    assert len(served) == 4
    assert 200 <= min(served.values()) <= max(served.values()) <= 300
    with calling(project) as callers:
        assert wait_until(lambda: callers.answered > 50)
        project.run("scale", "echo=8")
        assert wait_until(lambda: callers.streamed >= STREAMS)
        project.run("scale", "echo=2")
        write(project, 2)
        began = monotonic()
        project.run("rollout", "echo", "--monitor", "500ms")
        assert wait_until(lambda: monotonic() - began > STREAM_SECONDS)
    assert callers.failed == []
    assert callers.answered > 500
    assert callers.streamed >= 2 * STREAMS
