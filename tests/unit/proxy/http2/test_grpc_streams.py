"""Calls of gRPC go to backends of HTTP/2 alone."""

from __future__ import annotations

import pytest

from tests.support.backends import answers
from tests.support.http2_backend import OK, Http2Wire, speaks_http2
from tests.support.http2_client import GET, POST
from tests.support.http2_stage import http2
from tests.support.messages import ok
from tests.support.proxy_fixture import OpenStage, ProxyFixture

CALL = [*POST, (b"content-type", b"application/grpc+proto")]
WEB_CALL = [*POST, (b"content-type", b"application/grpc-web+proto")]


async def test_a_backend_of_http_1_gets_no_call(stage: ProxyFixture) -> None:
    stage.backend.play(answers(ok(b"page")))
    client = await http2(stage)
    for number in range(1, 3):
        heard = await client.answer(CALL, b"x")
        assert (heard.status, heard.fields[b"grpc-status"]) == (200, b"14")
        assert heard.fields[b"grpc-message"] == b"composectl: backend-speaks-http1"
        assert stage.pool.leases.failed_for == {"backend-speaks-http1": number}
    assert len(stage.backend.wires) == 1  # the one that was asked for HTTP/2
    assert [backend.phase for backend in stage.pool.backends] == ["ready"]


@pytest.mark.parametrize("fields", [GET, POST, WEB_CALL], ids=["get", "post", "grpc-web"])
async def test_it_gets_all_else(stage: ProxyFixture, fields: list[tuple[bytes, bytes]]) -> None:
    stage.backend.play(answers(ok(b"page")))
    client = await http2(stage)
    await client.answer(CALL, b"x")
    heard = await client.answer(fields, b"x" if fields is not GET else None)
    assert (heard.status, heard.body) == (200, b"page")


async def test_a_call_that_meets_a_backend_on_its_way_out_goes_to_another_one(open_stage: OpenStage) -> None:
    async def leaves(wire: object) -> None:
        wire.close()  # type: ignore[attr-defined]

    async def serves(wire: Http2Wire) -> None:
        asked = await wire.request()
        await wire.answer(asked.stream_id, [*OK, (b"grpc-status", b"0")], b"x")

    stage = await open_stage(2)
    stage.backends[0].play(leaves)
    stage.backends[1].play(speaks_http2(serves))
    heard = await (await http2(stage)).answer(CALL, b"x")
    assert (heard.status, heard.body) == (200, b"x")
    assert stage.pool.leases.failed_for == {}


async def test_a_client_that_cancels_such_a_call_ends_it_alone(stage: ProxyFixture) -> None:
    stage.backend.play(answers(ok(b"page")))
    client = await http2(stage)
    await client.answer(CALL, b"x")
    stream_id = await client.ask(CALL)
    client.connection.reset_stream(stream_id)
    await client.flush()
    assert (await client.answer(GET)).body == b"page"
