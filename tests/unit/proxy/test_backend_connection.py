"""What backends send, and what becomes of it; backends are not trusted."""

from __future__ import annotations

import contextlib

import pytest

from tests.support.backends import answers
from tests.support.messages import GET, HEAD, NO_CONTENT, OK, get, identity, ok, post, put, status
from tests.support.proxy_fixture import OpenStage, ProxyFixture
from tests.support.raw_http import RawConnection, send_endlessly

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def answered(stage: ProxyFixture, response: bytes, request: bytes = GET) -> tuple[RawConnection, RawConnection]:
    """A client that has asked, and the backend's connection after it sent `response`."""
    client, backend = await stage.ask(request)
    await backend.head()
    await backend.send(response)
    return client, backend


async def test_an_answer_goes_on_with_the_name_of_its_backend(stage: ProxyFixture) -> None:
    client, _ = await answered(stage, OK)
    head = await client.head()
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert identity(stage.backend.address) in head
    assert await client.exactly(2) == b"ok"


async def test_a_backend_cannot_name_another_one(stage: ProxyFixture) -> None:
    client, _ = await answered(stage, OK.replace(b"\r\n\r\n", b"\r\nx-internal-service: 6.6.6.6:6\r\n\r\n"))
    head = await client.head()
    assert b"6.6.6.6" not in head
    assert head.lower().count(b"x-internal-service") == 1


async def test_a32_a_backend_cannot_answer_as_if_it_were_composectl(stage: ProxyFixture) -> None:
    response = OK.replace(b"\r\n\r\n", b"\r\nX-Composectl-Error: no-backend-ready\r\nX-End: 1\r\n\r\n")
    client, _ = await answered(stage, b"HTTP/1.1 103 Early\r\nx-composectl-error: loop\r\n\r\n" + response)
    assert b"omposectl" not in await client.head()
    head = await client.head()
    assert b"omposectl" not in head
    assert b"\r\nX-End: 1\r\n" in head


async def test_without_identity_no_backend_is_named(open_stage: OpenStage) -> None:
    stage = await open_stage(identify=False)
    client, _ = await answered(stage, OK)
    assert b"internal" not in (await client.head()).lower()


@pytest.mark.parametrize(
    "response",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\0\0\0\0",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: foo\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
        b"HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 103 \x1b[31m\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n",
        b"HTTP/1.1 099 Odd\r\n\r\n",
        b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=[
        "b2-ssh",
        "b2-zeros",
        "b3-length",
        "b3-two",
        "b3-both",
        "b4-foo",
        "b4-twice",
        "b6-fold",
        "b6-nul",
        "b6-nul-in-the-reason",
        "b6-escape-in-the-reason-of-an-interim-response",
        "b11-interim-with-a-length",
        "b11-interim-with-chunks",
        "b10",
        "b15-099",
        "b15-999",
    ],
)
async def test_what_is_no_response_is_a_502(stage: ProxyFixture, response: bytes) -> None:
    client, backend = await answered(stage, response)
    assert status(await client.head()) == 502
    assert await backend.rest() == b""


async def test_b5_sixteen_kibibytes_of_fields_go_on(stage: ProxyFixture) -> None:
    field = b"Set-Cookie: " + b"x" * 1000 + b"\r\n"
    client, _ = await answered(stage, OK.replace(b"Content", field * 16 + b"Content"))
    assert (await client.head()).count(field) == 16


@pytest.mark.parametrize("size", [1, 1000], ids=["byte by byte", "at once"])
async def test_b15_a_later_minor_version_is_read_as_http_1_1(stage: ProxyFixture, size: int) -> None:
    response = OK.replace(b"HTTP/1.1", b"HTTP/1.2")
    client, backend = await stage.ask(GET)
    for _ in range(2):
        await backend.head()
        await backend.send_in_pieces(response, size)
        assert (await client.until(b"ok")).startswith(b"HTTP/1.1 200 OK\r\n")
        await client.send(GET)


@pytest.mark.parametrize("version", [b"HTTP/2.0", b"HTTP/9.9", b"HTTP/0.9", b"HTTP/1.10", b"RTSP/1.0"])
@pytest.mark.parametrize("before", [b"", b"HTTP/1.1 103 Early\r\n\r\n"], ids=["first", "behind an interim response"])
@pytest.mark.parametrize("size", [1, 1000], ids=["byte by byte", "at once"])
async def test_b2_another_version_is_a_502(stage: ProxyFixture, version: bytes, before: bytes, size: int) -> None:
    if version == b"RTSP/1.0" and before:
        version = b"HTTP/3.0"
    response = before + OK.replace(b"HTTP/1.1", version)
    client, backend = await stage.ask(GET)
    await backend.head()
    with contextlib.suppress(ConnectionError):  # the proxy may hang up in the middle
        await backend.send_in_pieces(response, size)
    head = await client.head()
    assert status(await client.head() if status(head) == 103 else head) == 502


async def test_b6_bare_line_feeds_are_mended(stage: ProxyFixture) -> None:
    client, _ = await answered(stage, b"HTTP/1.1 200 OK\nContent-Length: 2\nX: y\n\nok")
    head = await client.head()
    assert head.count(b"\n") == head.count(b"\r\n")
    assert await client.exactly(2) == b"ok"


EXTENSIONS = [b";x", b"; x", b" ;x", b";x = y", b'\t;\tx\t="a; b" ; z', b';x="\\""']


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize("size", [1, 7, 1000], ids=["byte by byte", "pieces", "at once"])
@pytest.mark.parametrize("newline", [b"\r\n", b"\n"], ids=["crlf", "lf"])
async def test_b4_chunk_extensions_are_dropped_with_the_space_around_them(
    stage: ProxyFixture, extension: bytes, size: int, newline: bytes
) -> None:
    head = b"HTTP/1.1 103 Early\r\n\r\n" + CHUNKED.replace(b"\r\n", newline)
    response = head + b"2%b\r\nok\r\n00%b\r\n\r\n" % (extension, extension)
    client, backend = await stage.ask(GET)
    for _ in range(2):
        await backend.head()
        await backend.send_in_pieces(response, size)
        assert status(await client.head()) == 103
        assert status(await client.head()) == 200
        assert await client.until(b"0\r\n\r\n") in (b"2\r\nok\r\n0\r\n\r\n", b"1\r\no\r\n1\r\nk\r\n0\r\n\r\n")
        await client.send(GET)


@pytest.mark.parametrize("line", [b"2 ", b"2;", b"2; ", b"2;x=", b"2;=y", b"2;x ", b"2;x;", b"2;x\0", b'2;x="y'])
async def test_b4_an_invalid_chunk_extension_is_a_502(stage: ProxyFixture, line: bytes) -> None:
    client, backend = await answered(stage, CHUNKED + line + b"\r\nok\r\n0\r\n\r\n")
    assert status(await client.head()) == 502
    assert await backend.rest() == b""


@pytest.mark.parametrize("body", [b"2\nok\r\n0\r\n\r\n", b"3\r\nok\r\n0\r\n\r\n", b"2\r\nok\r\n0\n\n"])
async def test_b6_bare_line_feeds_end_no_chunk(stage: ProxyFixture, body: bytes) -> None:
    client, backend = await answered(stage, CHUNKED)
    await client.head()
    await backend.send(body)
    assert b"0\r\n" not in await client.rest()


async def test_b6_bare_line_feeds_are_mended_after_chunks_too(stage: ProxyFixture) -> None:
    client, backend = await answered(stage, CHUNKED + b"2\r\nok\r\n0\r\n\r\n")
    await client.until(b"0\r\n\r\n")
    await client.send(GET)
    await backend.head()
    await backend.send(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok")
    await client.head()
    assert await client.exactly(2) == b"ok"


async def test_b7_odd_bytes_are_kept(stage: ProxyFixture) -> None:
    client, _ = await answered(stage, b"HTTP/1.1 200 \xfcber gut\r\nX-Caf\x65: caf\xe9\r\nContent-Length: 0\r\n\r\n")
    head = await client.head()
    assert head.startswith(b"HTTP/1.1 200 \xfcber gut\r\n")
    assert b"\r\nX-Cafe: caf\xe9\r\n" in head


async def test_b8_surplus_bytes_reach_no_client(stage: ProxyFixture) -> None:
    client, backend = await answered(stage, OK + b"SURPLUS")
    await client.head()
    assert await client.exactly(2) == b"ok"
    await backend.rest()
    await client.send(GET)
    second = await stage.backend.accept()
    await second.head()
    await second.send(ok(b"fine"))
    await client.head()
    assert await client.exactly(4) == b"fine"


@pytest.mark.parametrize(
    ("request_", "response"),
    [(HEAD, OK), (GET, NO_CONTENT + b"ok"), (GET, b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nok")],
    ids=["head", "204", "304"],
)
async def test_b9_a_body_that_must_not_be_is_dropped(stage: ProxyFixture, request_: bytes, response: bytes) -> None:
    client, backend = await answered(stage, response, request_)
    await client.head()
    await backend.rest()
    await client.send(GET)
    second = await stage.backend.accept()
    await second.head()
    await second.send(OK)
    assert (await client.head()).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_b11_interim_responses_go_on_before_the_final_one(stage: ProxyFixture) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
    client, _ = await answered(stage, b"HTTP/1.1 102 Processing\r\n\r\n" + early + early + OK)
    assert status(await client.head()) == 102
    assert [await client.head() for _ in range(2)] == [early, early]
    assert status(await client.head()) == 200


async def test_b11_a_client_of_http_1_0_gets_no_interim_response(stage: ProxyFixture) -> None:
    client, _ = await answered(stage, b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK, b"GET / HTTP/1.0\r\n\r\n")
    assert status(await client.head()) == 200


async def test_b12_endless_interim_responses_are_a_502(stage: ProxyFixture) -> None:
    client, _ = await answered(stage, b"HTTP/1.1 102 Processing\r\n\r\n" * 100)
    head = await client.head()
    while status(head) == 102:
        head = await client.head()
    assert status(head) == 502


async def test_b12_an_endless_head_is_a_502(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(GET)
    await backend.head()
    try:
        for _ in range(200):
            await backend.send(b"HTTP/1.1 200 OK\r\n" if not _ else b"X: " + b"x" * 1000 + b"\r\n")
    except OSError:
        pass  # it was cut off
    assert status(await client.head()) == 502


async def test_b12_trailers_beyond_64_kib_break_the_answer_off_at_once_too(stage: ProxyFixture) -> None:
    client, backend = await answered(stage, CHUNKED + b"2\r\nok\r\n")
    await client.until(b"ok\r\n")
    await backend.send(b"0\r\n" + b"".join(b"X-%d: %b\r\n" % (at, b"x" * 1000) for at in range(70)) + b"\r\n")
    assert await client.rest() == b""


@pytest.mark.parametrize("piece", [b"x" * 1024, b"X-A: b\r\n" * 100], ids=["one field", "many fields"])
async def test_b12_endless_trailers_break_the_answer_off(stage: ProxyFixture, piece: bytes) -> None:
    client, backend = await answered(stage, CHUNKED + b"2\r\nok\r\n0\r\n")
    await client.until(b"ok\r\n")
    await send_endlessly(backend, piece)
    assert await client.rest() == b""


@pytest.mark.parametrize("code", [200, 206, 301, 304, 404, 418, 426, 500, 503, 599])
async def test_b15_statuses_go_on(stage: ProxyFixture, code: int) -> None:
    client, _ = await answered(stage, b"HTTP/1.1 %d Any\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n" % code)
    assert status(await client.head()) == code
    assert stage.pool.leases.counters().responses[code // 100] == 1


async def test_c19_until_the_end_of_the_connection_for_http_1_0_too(stage: ProxyFixture) -> None:
    client, backend = await answered(stage, b"HTTP/1.0 200 OK\r\n\r\nhello", b"GET / HTTP/1.0\r\n\r\n")
    assert b"Connection: close\r\n" in await client.head()
    backend.close()
    assert await client.rest() == b"hello"


async def test_b14_a_body_until_the_end_of_the_connection_is_chunked(stage: ProxyFixture) -> None:
    client, backend = await answered(stage, b"HTTP/1.0 200 OK\r\n\r\nhello")
    backend.close()
    assert b"Transfer-Encoding: chunked\r\n" in await client.head()
    assert await client.until(b"0\r\n\r\n") == b"5\r\nhello\r\n0\r\n\r\n"


async def test_c10_trailers_go_to_a_client_that_takes_them(stage: ProxyFixture) -> None:
    trailed = CHUNKED + b"2\r\nok\r\n0\r\nX-Sum: 1\r\nX-Internal-Service: me\r\n\r\n"
    client, _ = await answered(stage, trailed, get("/", "TE: trailers", "Connection: TE"))
    await client.head()
    assert await client.until(b"\r\n\r\n") == b"2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n"


async def test_c10_trailers_are_dropped_for_others(stage: ProxyFixture) -> None:
    client, _ = await answered(stage, CHUNKED + b"2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n")
    await client.head()
    assert await client.until(b"\r\n\r\n") == b"2\r\nok\r\n0\r\n\r\n"


async def test_c1_hop_by_hop_fields_stay_behind(stage: ProxyFixture) -> None:
    fields = b"Connection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\nUpgrade: h2c\r\n"
    client, _ = await answered(stage, b"HTTP/1.1 200 OK\r\n" + fields + b"Content-Length: 0\r\nX-End: 1\r\n\r\n")
    head = (await client.head()).lower()
    assert b"\r\nx-end: 1\r\n" in head
    assert not any(name in head for name in (b"x-hop", b"keep-alive", b"proxy-", b"upgrade"))


async def test_c4_cookies_are_not_folded(stage: ProxyFixture) -> None:
    cookies = b"".join(b"Set-Cookie: c%d=1\r\n" % number for number in range(5))
    client, _ = await answered(stage, OK.replace(b"Content", cookies + b"Content"))
    assert cookies in await client.head()


async def test_c19_a_client_of_http_1_0_gets_no_chunks(stage: ProxyFixture) -> None:
    client, _ = await answered(stage, CHUNKED + b"2\r\nok\r\n0\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n")
    head = await client.head()
    assert b"ransfer-" not in head
    assert b"Connection: close\r\n" in head
    assert await client.rest() == b"ok"


async def test_c19_a_client_of_http_1_0_may_keep_its_connection(stage: ProxyFixture) -> None:
    client, backend = await answered(stage, OK, b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert b"Connection: keep-alive\r\n" in await client.head()
    await client.exactly(2)
    await client.send(GET)
    await backend.head()


async def test_c20_head_keeps_the_length(stage: ProxyFixture) -> None:
    client, _ = await answered(stage, b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n", HEAD)
    assert b"Content-Length: 12345\r\n" in await client.head()


async def test_e4_an_event_is_delivered_when_it_comes(stage: ProxyFixture) -> None:
    client, backend = await answered(stage, b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
    await client.head()
    for number in range(3):
        event = b"data: %d\n\n" % number
        await backend.send(event)
        assert await client.until(b"\n\n\r\n") == b"%x\r\n%b\r\n" % (len(event), event)


async def test_f3_the_connection_used_last_is_used_next(stage: ProxyFixture) -> None:
    former, first = await stage.ask(GET)
    latter, second = await stage.ask(GET)
    for client, backend in ((former, first), (latter, second)):
        await backend.head()
        await backend.send(OK)
        await client.head()
    await former.send(GET)
    await second.head()


@pytest.mark.parametrize(
    "response",
    [OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"), b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"],
)
async def test_a_connection_that_its_backend_closes_is_not_reused(stage: ProxyFixture, response: bytes) -> None:
    client, backend = await answered(stage, response)
    await client.head()
    await client.exactly(2)
    assert await backend.rest() == b""
    await client.send(GET)
    await (await stage.backend.accept()).head()


@pytest.mark.parametrize("request_", [GET, HEAD], ids=["get", "head"])
async def test_b4_a_transfer_coding_in_http_1_0_ends_the_connection(stage: ProxyFixture, request_: bytes) -> None:
    head = b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"" if request_ == HEAD else b"2\r\nok\r\n0\r\n\r\n"
    client, backend = await answered(stage, head + body, request_)
    assert status(await client.head()) == 200
    if body:
        assert await client.until(b"0\r\n\r\n") == body
    assert await backend.rest() == b""
    await client.send(GET)
    await (await stage.backend.accept()).head()


async def test_a_kept_connection_is_closed_before_the_backend_does_so(stage: ProxyFixture) -> None:
    client, backend = await answered(stage, OK)
    await client.head()
    stage.seconds_pass(6)
    assert await backend.rest() == b""


async def test_kept_connections_to_a_backend_that_leaves_are_closed(stage: ProxyFixture) -> None:
    client, backend = await answered(stage, OK)
    await client.head()
    stage.leave(0)
    assert await backend.rest() == b""


async def test_a_connection_in_use_is_closed_after_its_backend_leaves(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(GET)
    await backend.head()
    stage.leave(0)
    await backend.send(OK)
    await client.head()
    assert await client.exactly(2) == b"ok"
    assert await backend.rest() == b""
    assert stage.phases() == ["drained"]


@pytest.mark.parametrize(
    "trailer",
    [b"Content-Length: 9", b"Transfer-Encoding: chunked", b"transfer-encoding: chunkez", b"X: 1\r\nTransfer-Encoding:"],
)
@pytest.mark.parametrize("request_", [GET, b"GET / HTTP/1.0\r\n\r\n"], ids=["now", "of old"])
async def test_c10_framing_in_trailers_is_a_502(stage: ProxyFixture, request_: bytes, trailer: bytes) -> None:
    client, backend = await answered(stage, CHUNKED + b"2\r\nok\r\n0\r\n" + trailer + b"\r\n\r\n", request_)
    assert status(await client.head()) == 502
    assert await backend.rest() == b""


async def test_c10_framing_in_late_trailers_breaks_the_answer_off(stage: ProxyFixture) -> None:
    client, backend = await answered(stage, CHUNKED + b"2\r\nok\r\n")
    await client.head()
    await client.until(b"ok\r\n")
    await backend.send(b"0\r\nTransfer-Encoding: chunkez\r\n\r\n")
    assert await client.rest() == b""


@pytest.mark.parametrize("request_", [GET, post(b"hello"), put(b"hello")], ids=["get", "post", "put"])
async def test_d8_a_stale_connection_costs_no_request(stage: ProxyFixture, request_: bytes) -> None:
    client, backend = await answered(stage, OK)
    await client.head()
    await client.exactly(2)
    backend.close()
    stage.backend.play(answers(OK))
    await client.send(request_)
    assert status(await client.head()) == 200
    assert stage.pool.leases.counters().failed == 0
