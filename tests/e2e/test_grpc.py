"""A service of grpcio in containers, behind `up --balance`: its own client must not notice the proxy between them."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckResponse

from tests.support.compose_project import ComposeProject
from tests.support.grpc_backend import FAILING, SERVICE, SLOW, GrpcClient
from tests.support.paths import ROOT
from tests.support.wait import wait_until

# The Python of this machine serves: no image with grpcio can be made without a registry of images.
CALLS = """\
services:
  echo:
    image: {image}
    command: [{python}, -m, tests.support.grpc_server, "50051"]
    working_dir: {root}
    volumes: [{machine}]
    stop_grace_period: 1s
    ports:
      - "{port}:50051"
"""
MACHINE = ("/usr", "/lib", "/lib64", sys.base_prefix, sys.prefix, f"{ROOT}")
OFTEN = (
    *(("grpc.keepalive_time_ms", 20), ("grpc.keepalive_timeout_ms", 5000)),
    *(("grpc.keepalive_permit_without_calls", 1), ("grpc.http2.max_pings_without_data", 0)),
)
SECONDS = 30.0

pytestmark = pytest.mark.parametrize("compose", ["v2"], indirect=True)


@pytest.fixture
def serve(project: ComposeProject) -> Callable[..., GrpcClient]:
    """Starts so many replicas, or a range; the client has one channel to all of them."""

    def start(replicas: int | str, *options: tuple[str, int], words: Sequence[str] = ()) -> GrpcClient:
        machine = ", ".join(f"{folder}:{folder}:ro" for folder in dict.fromkeys(MACHINE))
        project.write(CALLS, python=sys.executable, root=ROOT, machine=machine)
        project.run("up", "--balance", f"echo={replicas}", "--health-check-grpc", *words, "-d")
        if isinstance(replicas, int):
            assert project.has_ready(replicas)
        return GrpcClient(project.port, *options)

    return start


@pytest.mark.slow
def test_a_channel_with_pings_and_every_kind_of_call(project: ComposeProject, serve: Callable[..., GrpcClient]) -> None:
    with closing(serve(4, *OFTEN)) as client:
        numbers = [b"%d" % number for number in range(1000)]
        answers = [client.unary(number, timeout=SECONDS).split(b":") for number in numbers]
        assert [request for _, request in answers] == numbers
        served = Counter(name for name, _ in answers)
        assert len(served) == 4
        assert all(200 <= count <= 300 for count in served.values())

        at_once = [client.unary.future(number, timeout=SECONDS) for number in numbers]
        assert [call.result().partition(b":")[2] for call in at_once] == numbers
        assert list(client.server_stream(b"1000", timeout=SECONDS)) == numbers
        assert client.client_stream(iter(numbers), timeout=SECONDS) == b",".join(numbers)
        assert list(client.both(iter(numbers), timeout=SECONDS)) == [b"<%b>" % number for number in numbers]

        with pytest.raises(grpc.RpcError) as failed:
            client.unary(FAILING, timeout=SECONDS)
        assert (failed.value.code(), failed.value.details()) == (grpc.StatusCode.NOT_FOUND, "there is none")
        assert "served-by" in dict(failed.value.trailing_metadata())
        late = client.unary.future(SLOW, timeout=1.0)
        assert late.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        cancelled = client.unary.future(SLOW, timeout=SECONDS)
        assert wait_until(lambda: project.status()["totals"]["in_flight"] == 1)
        cancelled.cancel()
        assert wait_until(lambda: project.status()["totals"]["in_flight"] == 0)

        assert SERVICE in client.services()
        assert client.health(SERVICE) == client.health("") == HealthCheckResponse.SERVING
        assert client.states.count(grpc.ChannelConnectivity.CONNECTING) <= 1
        assert grpc.ChannelConnectivity.TRANSIENT_FAILURE not in client.states
    assert project.status()["totals"]["failed"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["stop", "pause"])
def test_a_call_wakes_a_service_that_sleeps(
    project: ComposeProject, serve: Callable[..., GrpcClient], mode: str
) -> None:
    words = ("--sleep-after", "2s", "--sleep-mode", mode)
    with closing(serve("0..2", words=words)) as client:
        for number in range(3):
            assert wait_until(lambda: project.status()["asleep"])
            assert client.unary(b"%d" % number, timeout=SECONDS).endswith(b":%d" % number)
        assert wait_until(lambda: project.status()["asleep"])
        at_once = [client.unary.future(b"%d" % number, timeout=SECONDS) for number in range(100)]
        assert [call.result().partition(b":")[2] for call in at_once] == [b"%d" % number for number in range(100)]
    status = project.status()
    reasons = [scaling["reason"] for scaling in status["scalings"]]
    assert (reasons.count("a request came"), status["totals"]["failed"]) == (4, 0)
