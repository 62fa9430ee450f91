"""Requests of one client: what comes again is remembered, and what changes goes on beside it."""

from __future__ import annotations

import pytest

from composectl.proxy.errors import BadMessage
from composectl.proxy.head import Fields
from composectl.proxy.http2.frames import StreamError
from composectl.proxy.http2.request import StreamRequest, StreamRequestHead
from composectl.proxy.http2.request_reader import RequestReader
from composectl.proxy.limits import Limits
from composectl.proxy.listener_context import ListenerContext
from composectl.proxy.peer import Peer
from composectl.proxy.request_id import make_request_id
from tests.support.proxy_fixture import ProxyFixture

CALL: Fields = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/shop.Cart/Add"),
    (b":authority", b"shop.test"),
    (b"content-type", b"application/grpc"),
    (b"te", b"trailers"),
    (b"user-agent", b"grpc-go/1.60.0"),
]


def read(reader: RequestReader, fields: Fields) -> StreamRequest:
    return reader.read(fields, end_stream=False)


def lines(request: StreamRequest) -> list[bytes]:
    """The whole head as HTTP/1.1 has it."""
    return StreamRequestHead(request, b"").data_for(b"").split(b"\r\n")


@pytest.fixture
async def reader(stage: ProxyFixture) -> RequestReader:
    context = ListenerContext(Limits(), "name", make_request_id, None, lambda: None, lambda address: None)
    return RequestReader(Peer(context, "192.0.2.1", "http"), stage.server.upstreams, None, make_ids=False)


async def test_fields_that_change_are_beside_a_head_that_stays(reader: RequestReader) -> None:
    read(reader, CALL)
    first, other = (read(reader, [*CALL, (b"grpc-timeout", b"%du" % number)]) for number in (1, 2))
    assert first.base is other.base
    assert first.is_grpc
    for request, line in ((first, b"grpc-timeout: 1u"), (other, b"grpc-timeout: 2u")):
        assert [found for found in lines(request) if found.startswith(b"grpc-timeout")] == [line]
        assert lines(request)[:2] == [b"POST /shop.Cart/Add HTTP/1.1", b"Host: shop.test"]
        assert (b"grpc-timeout", line[14:]) in StreamRequestHead(request, b"").fields


async def test_a_request_that_comes_again_is_the_same(reader: RequestReader) -> None:
    fields = [*CALL, (b"x-tenant", b"one")]
    requests = [read(reader, fields) for _ in range(3)]
    assert requests[1] is requests[2]
    assert sorted(lines(requests[0])) == sorted(lines(requests[2]))


async def test_fields_of_one_name_stay_in_their_order(reader: RequestReader) -> None:
    read(reader, [*CALL, (b"x-step", b"known")])
    request = read(reader, [*CALL, (b"x-step", b"new"), (b"x-step", b"known")])
    assert [line for line in lines(request) if line.startswith(b"x-step")] == [b"x-step: new", b"x-step: known"]


async def test_a_request_with_a_body_is_another_than_one_without(reader: RequestReader) -> None:
    read(reader, CALL)
    assert not reader.read(CALL, end_stream=True).head.chunked
    assert reader.read(CALL, end_stream=False).head.chunked


@pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
@pytest.mark.parametrize(
    "fields",
    [
        [*CALL[:2], (b"x-new", b""), *CALL[2:]],  # a pseudo-header behind another field
        [*CALL, (b"X-Upper", b"")],
        [*CALL, (b"x-new", b"a\r\nb: c")],
        [*CALL, (b"x-new", b" a")],
        [*CALL, (b"", b"a")],
        [*CALL, (b"connection", b"close")],
    ],
)
async def test_a_malformed_request_is_refused(reader: RequestReader, fields: Fields, known: bool) -> None:
    for _ in range(1 + known):
        if known:
            read(reader, CALL)
        with pytest.raises(StreamError):
            read(reader, fields)


async def test_extras_count_as_the_fields_that_they_are(reader: RequestReader) -> None:
    read(reader, CALL)
    for extras in ([(b"x-%d" % number, b"") for number in range(100)], [(b"x-long", b"v" * 33_000)]):
        with pytest.raises(BadMessage) as refused:
            read(reader, [*CALL, *extras])
        assert refused.value.status == 431
