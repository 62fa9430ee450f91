"""The health check of gRPC, against the servicer of grpcio and against servers that answer oddly."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent import futures

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from composectl.proxy.health_check import Unhealthy, grpc_check
from composectl.proxy.http2 import frames
from tests.support.backends import listen_on
from tests.support.http2_backend import OK, Fields, Http2Wire, speaks_http2
from tests.support.raw_http import PATIENCE, RawConnection

SHOP = "shop.Cart"
States = health_pb2.HealthCheckResponse


class HealthServer:
    """A server of grpcio with its health servicer."""

    def __init__(self) -> None:
        self._server = grpc.server(futures.ThreadPoolExecutor(2))
        self.health = health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def close(self) -> None:
        self._server.stop(0).wait(PATIENCE)


@pytest.fixture(scope="module")
def server() -> Iterator[HealthServer]:
    server = HealthServer()
    yield server
    server.close()


async def told_by(port: int, service: str) -> str:
    async with asyncio.timeout(PATIENCE):
        return await grpc_check("127.0.0.1", port, service, b"localhost")


@pytest.mark.parametrize("service", ["", SHOP, "x" * 127], ids=["the server", "a service", "a long name"])
async def test_a_server_that_serves_is_healthy(server: HealthServer, service: str) -> None:
    server.health.set(service, States.SERVING)
    assert await told_by(server.port, service) == "grpc.health.v1 answered SERVING"


@pytest.mark.parametrize("state", ["NOT_SERVING", "UNKNOWN", "SERVICE_UNKNOWN"])
async def test_any_other_status_is_not(server: HealthServer, state: str) -> None:
    server.health.set(SHOP, States.ServingStatus.Value(state))
    with pytest.raises(Unhealthy, match=f"^grpc.health.v1 answered {state}$"):
        await told_by(server.port, SHOP)


async def test_a_service_that_is_not_there_is_not(server: HealthServer) -> None:
    with pytest.raises(Unhealthy, match=r"^grpc.health.v1 answered NOT_FOUND$"):
        await told_by(server.port, "shop.Nothing")


async def test_a_server_without_health_checking_is_not() -> None:
    server = grpc.server(futures.ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with pytest.raises(Unhealthy, match=r"^grpc.health.v1 answered UNIMPLEMENTED$"):
            await told_by(port, "")
    finally:
        server.stop(0).wait(PATIENCE)


# Servers that answer oddly


async def why(script: Callable[[RawConnection], Awaitable[None]]) -> str:
    """Why a server that plays this is unhealthy."""
    (backend,) = listen_on(["127.0.0.1"])
    backend.play(script)
    try:
        with pytest.raises(Unhealthy) as raised:
            await told_by(backend.port, "")
    finally:
        await backend.close()
    return str(raised.value)


async def http_1(wire: RawConnection) -> None:
    await wire.head()
    await wire.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    await wire.rest()


async def hangs_up(wire: RawConnection) -> None:
    await wire.head()
    wire.close()


async def test_a_server_that_does_not_speak_http2_is_not() -> None:
    assert await why(http_1) == "its answer is not HTTP/2"


async def test_a_server_that_hangs_up_is_not() -> None:
    assert await why(hangs_up) == "it hung up without an answer"


@pytest.mark.parametrize(
    ("fields", "body", "reason"),
    [
        ([(b":status", b"404")], b"", "grpc.health.v1 answered HTTP status 404"),
        ([*OK, (b"grpc-status", b"99")], b"", "grpc.health.v1 answered HTTP status 200"),
        ([*OK, (b"grpc-status", b"14")], b"", "grpc.health.v1 answered UNAVAILABLE"),
        ([*OK, (b"grpc-status", b"0")], b"\0\0\0\0\0", "grpc.health.v1 answered UNKNOWN"),
        ([*OK, (b"grpc-status", b"0")], b"\0\0\0\0\2\x08\x63", "grpc.health.v1 answered status 99"),
    ],
)
async def test_odd_answers_are_named(fields: Fields, body: bytes, reason: str) -> None:
    async def answers_oddly(wire: Http2Wire) -> None:
        asked = await wire.request()
        assert asked.fields[b":path"] == b"/grpc.health.v1.Health/Check"
        assert asked.body == b"\0\0\0\0\0"
        await wire.answer(asked.stream_id, fields, body)

    assert await why(speaks_http2(answers_oddly)) == reason


async def test_a_call_that_is_reset_or_behind_goaway_is_no_answer() -> None:
    async def resets(wire: Http2Wire) -> None:
        asked = await wire.request()
        await wire.wire.send(frames.rst_stream(asked.stream_id, frames.REFUSED_STREAM))

    async def goes_away(wire: Http2Wire) -> None:
        await wire.request()
        await wire.wire.send(frames.goaway(0, frames.NO_ERROR))

    assert await why(speaks_http2(resets)) == "it reset the call"
    assert await why(speaks_http2(goes_away)) == "it hung up without an answer"
