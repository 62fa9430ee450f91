"""`--health-check-path PATH` and `--health-check-grpc SERVICE`: a backend is well while this answers well."""

from __future__ import annotations

import signal

import pytest
from grpc_health.v1.health_pb2 import HealthCheckResponse

from tests.support.grpc_backend import SERVICE, GrpcBackend, GrpcClient
from tests.support.http_client import ask
from tests.support.proxy_process import Workspace

HOST = "127.0.0.1"
SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING


def test_a_backend_is_left_out_while_its_path_answers_badly(place: Workspace) -> None:
    steady, sick = place.backend(), place.backend()
    sick.well.clear()
    proxy = place.proxy(steady, sick, words=("--health-check-path", "/well"))
    assert place.comes_to("ready", "starting")
    assert {ask(proxy.port, host=HOST).backend for _ in range(4)} == {steady.address}

    sick.well.set()
    assert place.comes_to("ready", "ready")
    assert {ask(proxy.port, host=HOST).backend for _ in range(4)} == {steady.address, sick.address}

    sick.well.clear()
    assert place.comes_to("ready", "unhealthy")
    assert {ask(proxy.port, host=HOST).backend for _ in range(4)} == {steady.address}
    assert [change["reason"] for change in place.status()["changes"] if change["number"] == 2] == [
        "/well answered 200",
        "/well answered 503",
    ]
    proxy.ends_by(signal.SIGINT)


@pytest.mark.slow
def test_the_last_one_serves_on_however_it_answers(place: Workspace) -> None:
    backend = place.backend()
    proxy = place.proxy(backend, words=("--health-check-path", "/well"))
    assert place.comes_to("ready")
    backend.well.clear()
    assert all(backend.refused.acquire(timeout=30) for _ in range(4))
    assert place.phases() == ["ready"]
    assert ask(proxy.port, host=HOST).status == 200
    proxy.ends_by(signal.SIGINT)


def test_a_grpc_server_is_left_out_while_its_service_does_not_serve(place: Workspace) -> None:
    steady, sick = GrpcBackend("steady"), GrpcBackend("sick")
    sick.health.set(SERVICE, NOT_SERVING)
    words = ("--backend", steady.address, "--backend", sick.address, "--health-check-grpc", SERVICE)
    proxy = place.starts("--listen", "127.0.0.1:0", *words)
    client = GrpcClient(proxy.port)
    try:
        assert place.comes_to("ready", "starting")
        (waiting,) = place.status()["waiting"]
        assert "grpc.health.v1 answered NOT_SERVING" in str(waiting)
        assert {client.unary(b"x", timeout=20) for _ in range(4)} == {b"steady:x"}
        sick.health.set(SERVICE, SERVING)
        assert place.comes_to("ready", "ready")
        assert {client.unary(b"x", timeout=20) for _ in range(4)} == {b"steady:x", b"sick:x"}
    finally:
        client.close()
        for server in (steady, sick):
            server.close()
    proxy.ends_by(signal.SIGINT)


def test_without_a_name_the_whole_server_is_asked_for(place: Workspace) -> None:
    server = GrpcBackend("only")
    proxy = place.starts("--backend", server.address, "--health-check-grpc", "--listen", "127.0.0.1:0")
    assert place.comes_to("ready")
    (change,) = place.status()["changes"]
    assert change["reason"] == "grpc.health.v1 answered SERVING"
    proxy.ends_by(signal.SIGINT)
    server.close()
