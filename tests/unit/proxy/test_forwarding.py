"""What goes on untouched, both ways."""

from __future__ import annotations

import gzip

import pytest

from tests.support.backends import answers
from tests.support.messages import GET, OK, get, post, status
from tests.support.proxy_fixture import OpenStage, ProxyFixture
from tests.support.raw_http import RawConnection
from tests.unit.proxy.test_backend_connection import answered
from tests.unit.proxy.test_head import TARGETS

ZIPPED = gzip.compress(b"hello " * 100)


async def heard(stage: ProxyFixture, request: bytes) -> list[bytes]:
    """The lines of the head that reaches the backend."""
    _, backend = await stage.ask(request)
    return (await backend.head()).split(b"\r\n")


async def told(stage: ProxyFixture, response: bytes, request: bytes = GET) -> tuple[RawConnection, list[bytes]]:
    """A client, and the lines of the head that reaches it."""
    client, _ = await answered(stage, response, request)
    return client, (await client.head()).split(b"\r\n")


@pytest.mark.parametrize("host", [b"shop.test", b"SHOP.test:8080", b"[::1]:80", b"127.0.0.1", b""])
async def test_c3_the_host_is_the_one_that_the_client_asked_for(stage: ProxyFixture, host: bytes) -> None:
    lines = await heard(stage, GET.replace(b"Host: a", b"Host: " + host))
    assert lines[1] == b"Host: " + host
    assert b"X-Forwarded-Host: " + host in lines


@pytest.mark.parametrize("target", [b"/", b"*"])
async def test_c3_a_request_of_http_1_0_without_a_host_names_the_backend(stage: ProxyFixture, target: bytes) -> None:
    lines = await heard(stage, b"OPTIONS " + target + b" HTTP/1.0\r\n\r\n")
    assert lines[:2] == [b"OPTIONS " + target + b" HTTP/1.1", b"Host: " + stage.backend.address.encode()]
    assert not any(line.startswith(b"X-Forwarded-Host") for line in lines)
    assert b"X-Forwarded-Proto: http" in lines


async def test_c3_each_backend_that_is_tried_gets_its_own_name(open_stage: OpenStage) -> None:
    stage = await open_stage(2)
    _, first = await stage.ask(b"GET / HTTP/1.0\r\n\r\n")
    heads = [await first.head()]
    first.close()
    heads.append(await (await stage.backends[1].accept()).head())
    assert [
        b"\r\nHost: %b\r\n" % backend.address.encode() in head
        for backend, head in zip(stage.backends, heads, strict=True)
    ] == [True, True]


async def test_c3_an_empty_host_of_http_1_0_stays_empty(stage: ProxyFixture) -> None:
    assert (await heard(stage, b"GET / HTTP/1.0\r\nHost:\r\n\r\n"))[1] == b"Host: "


async def test_c4_empty_values_are_kept_in_their_place_both_ways(stage: ProxyFixture) -> None:
    fields = [b"X-A: 1", b"x-empty: ", b"X-A: 2", b"X-Empty: "]
    block = b"".join(field + b"\r\n" for field in fields)
    client, backend = await stage.ask(GET[:-2] + block + b"\r\n")
    assert block in await backend.head()
    await backend.send(OK.replace(b"Content", block + b"Content"))
    assert block in await client.head()


@pytest.mark.parametrize("target", TARGETS, ids=range(len(TARGETS)))
async def test_c8_the_target_arrives_byte_for_byte(stage: ProxyFixture, target: bytes) -> None:
    assert (await heard(stage, b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n"))[0] == (
        b"GET " + target + b" HTTP/1.1"
    )


@pytest.mark.parametrize("query", ["a=1;b=2", "%zz", "a=1&a=2;b=3", "a=1&a=%zz&b=3", "&&==", "?", "a[]=1", "{}|\\^`"])
async def test_c9_a_query_that_cannot_be_parsed_arrives_as_it_is(stage: ProxyFixture, query: str) -> None:
    assert (await heard(stage, get(f"/x?{query}")))[0] == f"GET /x?{query} HTTP/1.1".encode()


async def test_c1_an_announcement_of_trailers_goes_on(stage: ProxyFixture) -> None:
    asking = post(b"").replace(b"Content-Length: 0", b"Trailer: X-Sum\r\nTransfer-Encoding: chunked")
    _, backend = await stage.ask(asking + b"0\r\nX-Sum: 1\r\n\r\n")
    assert b"\r\nTrailer: X-Sum\r\n" in await backend.head()
    assert await backend.until(b"\r\n\r\n") == b"0\r\nX-Sum: 1\r\n\r\n"


async def test_c1_credentials_for_a_proxy_behind_this_one_go_on(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(get("/", "Proxy-Authorization: Basic eA=="))
    assert b"\r\nProxy-Authorization: Basic eA==\r\n" in await backend.head()
    await backend.send(OK.replace(b"200 OK\r\n", b"407 Who\r\nProxy-Authenticate: Basic\r\n"))
    assert b"\r\nProxy-Authenticate: Basic\r\n" in await client.head()


async def test_c12_interim_responses_keep_their_fields_and_their_order(stage: ProxyFixture) -> None:
    hints = [
        b"HTTP/1.1 103 Early Hints\r\nLink: </%d.css>; rel=preload\r\nLink: </b>\r\n\r\n" % number
        for number in range(3)
    ]
    interim = [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 102 Processing\r\n\r\n", *hints]
    client, _ = await answered(stage, b"".join(interim) + OK)
    assert [await client.head() for _ in interim] == interim
    assert status(await client.until(b"ok")) == 200


async def test_c13_a_zipped_body_goes_both_ways_as_it_is(stage: ProxyFixture) -> None:
    fields = b'Content-Encoding: gzip\r\nETag: "x"\r\nContent-Length: %d\r\n\r\n' % len(ZIPPED)
    client, backend = await stage.ask(b"POST / HTTP/1.1\r\nHost: a\r\n" + fields + ZIPPED)
    head = await backend.head()
    assert b"Content-Encoding: gzip\r\n" in head
    assert b"Content-Length: %d\r\n" % len(ZIPPED) in head
    assert await backend.exactly(len(ZIPPED)) == ZIPPED
    await backend.send(b"HTTP/1.1 200 OK\r\n" + fields + ZIPPED)
    head = await client.head()
    for line in fields.split(b"\r\n")[:-2]:
        assert line + b"\r\n" in head
    assert await client.exactly(len(ZIPPED)) == ZIPPED


PARTS = b"--x\r\nContent-Range: bytes 0-0/5\r\n\r\nh\r\n--x\r\nContent-Range: bytes 4-4/5\r\n\r\no\r\n--x--\r\n"


async def test_c14_parts_of_a_body_go_on(stage: ProxyFixture) -> None:
    asked = ("Range: bytes=0-0,4-4", 'If-Range: "v1"')
    kind = b"Content-Type: multipart/byteranges; boundary=x\r\n"
    response = b"HTTP/1.1 206 Partial Content\r\n" + kind + b"Content-Length: %d\r\n\r\n" % len(PARTS) + PARTS
    client, backend = await stage.ask(get("/", *asked))
    head = await backend.head()
    for line in asked:
        assert line.encode() + b"\r\n" in head
    await backend.send(response)
    head = await client.head()
    assert status(head) == 206
    assert kind in head
    assert await client.exactly(len(PARTS)) == PARTS


async def test_c14_what_has_not_changed_is_not_sent(stage: ProxyFixture) -> None:
    response = b'HTTP/1.1 304 Not Modified\r\nETag: "v1"\r\nCache-Control: max-age=5\r\n\r\n'
    client, lines = await told(stage, response, get("/", 'If-None-Match: "v1"', "If-Modified-Since: x"))
    assert {b'ETag: "v1"', b"Cache-Control: max-age=5"} <= set(lines)
    assert not [line for line in lines if line.lower().startswith((b"content-", b"transfer-"))]
    assert b'\r\nIf-None-Match: "v1"\r\nIf-Modified-Since: x\r\n' in stage.backend.wires[0].received
    await client.send(GET)
    await stage.backend.wires[0].head()


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_c15_no_redirect_is_followed(stage: ProxyFixture, code: int) -> None:
    response = b"HTTP/1.1 %d Elsewhere\r\nLocation: http://127.0.0.1:1/x\r\nContent-Length: 0\r\n\r\n" % code
    stage.backend.play(answers(response))
    client = await stage.client()
    await client.send(GET)
    head = await client.head()
    assert status(head) == code
    assert b"\r\nLocation: http://127.0.0.1:1/x\r\n" in head
    assert stage.pool.leases.requests == 1


@pytest.mark.parametrize("method", [b"FOO", b"get", b"X-A"])
async def test_a25_an_unknown_method_arrives_as_it_is(stage: ProxyFixture, method: bytes) -> None:
    assert (await heard(stage, method + b" / HTTP/1.1\r\nHost: a\r\n\r\n"))[0] == method + b" / HTTP/1.1"


@pytest.mark.parametrize("garbage", [b"\x16\x02\x01\x02\x00\x01\x00", b"\0\0\0\0", b"\xff\xd8", b"<html>"])
async def test_a25_what_is_no_method_at_all_is_a_bad_request(stage: ProxyFixture, garbage: bytes) -> None:
    client = await stage.client()
    await client.send(garbage)
    assert status(await client.head()) == 400
