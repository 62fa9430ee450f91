"""gRPC through `composectl proxy`: real channels and servers of grpcio, balanced call by call."""

from __future__ import annotations

import queue
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckResponse

from tests.support.command_line import command_line
from tests.support.grpc_backend import FAILING, SERVICE, SLOW, GrpcBackend, GrpcClient
from tests.support.http_client import ask
from tests.support.proxy_process import ProxyProcess, Workspace
from tests.support.wait import wait_until

_SECONDS = 20.0


class Calls:
    """A channel through a proxy to `servers`."""

    def __init__(self, place: Workspace, servers: list[GrpcBackend], proxy: ProxyProcess) -> None:
        self.place = place
        self.servers = servers
        self.proxy = proxy
        self.client = GrpcClient(proxy.port)

    def unary(self, request: bytes) -> bytes:
        return bytes(self.client.unary(request, timeout=_SECONDS))

    def close(self) -> None:
        self.client.close()
        for server in self.servers:
            server.close()
        self.proxy.ends_by(signal.SIGINT)


@pytest.fixture
def calls(place: Workspace) -> Iterator[Calls]:
    servers = [GrpcBackend(f"server-{number}") for number in range(4)]
    words = [word for server in servers for word in ("--backend", server.address)]
    proxy = place.starts("--listen", "127.0.0.1:0", *words)
    assert place.comes_to(*["ready"] * 4)
    opened = Calls(place, servers, proxy)
    yield opened
    opened.close()


def test_one_channel_reaches_every_backend_alike(calls: Calls) -> None:
    served = Counter(calls.unary(b"%d" % number).partition(b":")[0] for number in range(400))
    assert sorted(served) == [b"server-0", b"server-1", b"server-2", b"server-3"]
    assert min(served.values()) >= 80
    status = calls.place.status()
    assert (status["totals"]["requests"], status["totals"]["responses"]["2xx"]) == (400, 400)
    assert [port["recognised"] for port in status["ports"]] == [{"http/2": 1}]
    assert "  auto: http/2  " in calls.place.run("status")


def test_all_four_kinds_of_calls(calls: Calls) -> None:
    client = calls.client
    assert calls.unary(b"one").endswith(b":one")
    assert list(client.server_stream(b"1000", timeout=_SECONDS)) == [b"%d" % number for number in range(1000)]
    pieces = [b"%d" % number * 1000 for number in range(500)]
    assert client.client_stream(iter(pieces), timeout=_SECONDS) == b",".join(pieces)
    said: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    heard = client.both(iter(said.get, None), timeout=_SECONDS)
    for number in range(100):
        said.put(b"%d" % number)
        assert next(heard) == b"<%d>" % number
    said.put(None)
    assert list(heard) == []


def test_a_status_its_message_and_the_trailers_arrive(calls: Calls) -> None:
    with pytest.raises(grpc.RpcError) as failed:
        calls.unary(FAILING)
    assert failed.value.code() is grpc.StatusCode.NOT_FOUND
    assert failed.value.details() == "there is none"
    _, call = calls.client.unary.with_call(b"x", timeout=_SECONDS)
    assert dict(call.trailing_metadata())["served-by"].startswith("server-")
    assert dict(call.initial_metadata())["x-internal-service"] in [server.address for server in calls.servers]


@pytest.mark.slow
def test_a_deadline_and_a_cancellation_reach_the_backend(calls: Calls) -> None:
    late = calls.client.unary.future(SLOW, timeout=5.0)
    server = entered(calls)
    assert late.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert server.cancelled.wait(_SECONDS)
    server.entered.clear()
    server.cancelled.clear()
    future = calls.client.unary.future(SLOW, timeout=_SECONDS)
    server = entered(calls)
    future.cancel()
    assert server.cancelled.wait(_SECONDS)
    assert wait_until(lambda: in_flight(calls) == 0)


def test_a_thousand_calls_at_once(calls: Calls) -> None:
    futures = [calls.client.unary.future(b"%d" % number, timeout=_SECONDS) for number in range(1000)]
    assert [future.result().partition(b":")[2] for future in futures] == [b"%d" % number for number in range(1000)]


def test_large_messages_both_ways(calls: Calls) -> None:
    message = bytes(range(256)) * 12_000
    assert calls.unary(message).partition(b":")[2] == message


def test_a_server_that_stops_in_order_costs_no_call(calls: Calls) -> None:
    assert calls.unary(b"before")
    calls.servers[0].close(grace=5.0)
    calls.servers[1].close()
    for number in range(100):
        assert calls.unary(b"%d" % number).endswith(b":%d" % number)


def test_reflection_and_health_pass(calls: Calls) -> None:
    assert SERVICE in calls.client.services()
    assert calls.client.health(SERVICE) == calls.client.health("") == HealthCheckResponse.SERVING


def test_http_1_to_a_backend_that_speaks_http_2_alone(calls: Calls) -> None:
    answer = ask(calls.proxy.port, host="127.0.0.1")
    assert (answer.status, answer.headers["X-Composectl-Error"]) == (502, "backend-speaks-http2")
    assert calls.unary(b"still").endswith(b":still")


def test_j21_a_client_that_keeps_its_connection_alive_by_pings_keeps_it(calls: Calls) -> None:
    often = (
        *(("grpc.keepalive_time_ms", 20), ("grpc.keepalive_timeout_ms", 5000)),
        *(("grpc.keepalive_permit_without_calls", 1), ("grpc.http2.max_pings_without_data", 0)),
    )
    client = GrpcClient(calls.proxy.port, *often)
    slow = client.unary.future(SLOW, timeout=_SECONDS)
    server = entered(calls)
    assert sum(len(client.unary(b"x", timeout=_SECONDS)) > 0 for _ in range(500)) == 500
    server.released.set()
    assert slow.result().endswith(b":slow")
    assert client.states.count(grpc.ChannelConnectivity.CONNECTING) <= 1
    assert grpc.ChannelConnectivity.TRANSIENT_FAILURE not in client.states
    client.close()


@pytest.mark.slow
def test_j19_a_drained_backend_finishes_its_calls_and_gets_no_others(calls: Calls) -> None:
    slow = calls.client.unary.future(SLOW, timeout=_SECONDS)
    server = entered(calls)
    number = calls.servers.index(server) + 1
    draining = subprocess.Popen(
        command_line("drain", calls.place.status()["service"], str(number)), env=calls.place.environment()
    )
    assert wait_until(lambda: "ready" not in calls.place.phases()[number - 1])
    served = {calls.unary(b"%d" % turn).partition(b":")[0] for turn in range(100)}
    assert len(served) == 3
    assert server.name.encode() not in served
    server.released.set()
    assert slow.result().endswith(b":slow")
    assert draining.wait(_SECONDS) == 0


def test_without_a_backend_a_call_gets_a_status(place: Workspace) -> None:
    words = ("--backend", f"127.0.0.1:{place.port()}", "--queue-timeout", "0")
    proxy = place.starts("--listen", "127.0.0.1:0", *words)
    client = GrpcClient(proxy.port)
    with pytest.raises(grpc.RpcError) as failed:
        client.unary(b"x", timeout=_SECONDS)
    client.close()
    proxy.ends_by(signal.SIGINT)
    assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
    assert failed.value.details() == "composectl: no-backend-ready"


def test_the_end_waits_for_a_call(calls: Calls) -> None:
    future = calls.client.unary.future(SLOW, timeout=_SECONDS)
    entered(calls)
    calls.proxy.process.send_signal(signal.SIGINT)
    for server in calls.servers:
        server.released.set()
    assert future.result().endswith(b":slow")


def test_http_2_to_a_backend_that_speaks_http_1(place: Workspace) -> None:
    backend = place.backend()
    proxy = place.starts("--listen", "127.0.0.1:0", "--backend", backend.address)
    assert place.comes_to("ready")
    url = f"http://127.0.0.1:{proxy.port}/"
    words = ["curl", "--silent", "--http2-prior-knowledge", "--max-time", "20", "--write-out", " %{http_version}", url]
    said = subprocess.run(words, capture_output=True, text=True, check=True)
    assert said.stdout == f"{backend.address} 2"
    assert ask(proxy.port, host="127.0.0.1").text == backend.address
    proxy.ends_by(signal.SIGINT)


def test_a_call_to_a_backend_that_speaks_http_1_alone(place: Workspace) -> None:
    proxy = place.proxy(place.backend())
    assert place.comes_to("ready")
    client = GrpcClient(proxy.port)
    with pytest.raises(grpc.RpcError) as failed:
        client.unary(b"x", timeout=_SECONDS)
    client.close()
    assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
    assert failed.value.details() == "composectl: backend-speaks-http1"
    assert wait_until(lambda: place.status()["notices"])
    (notice,) = place.status()["notices"]
    assert notice.startswith("the backends' port speaks HTTP/1 alone, and was called by gRPC: ")
    *_, complaints = proxy.ends_by(signal.SIGINT)
    assert complaints.count(notice) == 1


def in_flight(calls: Calls) -> int:
    return int(calls.place.status()["totals"]["in_flight"])


def entered(calls: Calls) -> GrpcBackend:
    """The server that a slow call has reached."""
    assert wait_until(lambda: any(server.entered.is_set() for server in calls.servers))
    return next(server for server in calls.servers if server.entered.is_set())
