"""What a client may say, in which pieces and how fast."""

from __future__ import annotations

import asyncio
import re
import socket

import pytest

from tests.support.backends import answers
from tests.support.messages import GET, OK, forwarded, get, ok, post, status
from tests.support.proxy_fixture import OpenStage, ProxyFixture, is_in_a_head
from tests.support.raw_http import RawConnection, fill, send_endlessly
from tests.support.wait import wait_until_async

CHUNKED_POST = b"POST /two HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"


async def refusal(client: RawConnection) -> int:
    """The status of the only answer, after which the connection ends."""
    answer = await client.rest()
    assert answer.startswith(b"HTTP/1.1 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"Connection: close\r\n" in answer
    assert len(answer.partition(b"\r\n\r\n")[2]) <= 200
    return status(answer)


# A: requests that must not go on

SMUGGLED = {
    "a1 length and chunked": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked", 400),
    "a1 chunked and length": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5", 400),
    "a2 two lengths": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6", 400),
    "a3 the same length twice": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5", 400),
    "a3 a list of lengths": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5", 400),
    "a4 plus": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5", 400),
    "a4 minus": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1", 400),
    "a4 hexadecimal": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5", 400),
    "a4 underscore": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5_0", 400),
    "a4 space inside": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:  5 6", 400),
    "a4 empty": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ", 400),
    "a4 twenty digits": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999", 400),
    "a5 xchunked": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked", 400),
    "a5 two that are not chunked": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, deflate", 400),
    "a5 two lines that are not chunked": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: br",
        400,
    ),
    "a5 chunked not last": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity", 400),
    "a5 identity": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity", 400),
    "a5 gzip": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip", 400),
    "a6 chunked twice": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked", 400),
    "a6 chunked on two lines": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        400,
    ),
    "a7 gzip, chunked": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked", 501),
    "a8 chunked in http 1.0": (b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked", 400),
    "a10 folded field": (b"GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c", 400),
    "a11 space before colon": (b"GET / HTTP/1.1\r\nHost: a\r\nX-A : b", 400),
    "a11 space before colon of the length": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 5", 400),
    "a12 bare cr": (b"GET / HTTP/1.1\r\nHost: a\r\nX-A: b\rc", 400),
    "a12 nul": (b"GET / HTTP/1.1\r\nHost: a\r\nX-A: b\0c", 400),
    "a12 bel": (b"GET / HTTP/1.1\r\nHost: a\r\nX-A: b\x07c", 400),
    "a12 del": (b"GET / HTTP/1.1\r\nHost: a\r\nX-A: b\x7fc", 400),
    "a13 bare lf": (b"GET / HTTP/1.1\nHost: a\nX-A: b", 400),
    "a14 no host": (b"GET / HTTP/1.1\r\nX-A: b", 400),
    "a14 no host with a whole url": (b"GET http://a/ HTTP/1.1\r\nX-A: b", 400),
    "a14 two hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b", 400),
    "a14 two hosts with a whole url": (b"GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: b", 400),
    "a14 host with a space": (b"GET / HTTP/1.1\r\nHost: a b", 400),
    "a14 host with a comma": (b"GET / HTTP/1.1\r\nHost: a,b", 400),
    "a14 host with a user": (b"GET / HTTP/1.1\r\nHost: user@a", 400),
    "a14 host with a path": (b"GET / HTTP/1.1\r\nHost: a/b", 400),
    "a18 http 2.0": (b"GET / HTTP/2.0\r\nHost: a", 505),
    "a18 http 9.9": (b"GET / HTTP/9.9\r\nHost: a", 505),
    "a18 http 1.10": (b"GET / HTTP/1.10\r\nHost: a", 400),
    "a18 rtsp 1.1": (b"GET / RTSP/1.1\r\nHost: a", 400),
    "a18 rtsp behind a field like a request line": (b"GET  / RTSP/1.0\r\nX: HTTP/1.1\r\nHost: a", 400),
    "a18 rtsp": (b"GET / RTSP/1.0\r\nHost: a", 400),
    "a18 another method of rtsp": (b"DESCRIBE / RTSP/1.0\r\nHost: a", 400),
    "a18 ice": (b"SOURCE / ICE/1.0\r\nHost: a", 400),
    "a18 another method in rtsp": (b"LABEL / RTSP/1.0\r\nHost: a", 400),
    "a18 http 1.2 without a host": (b"GET / HTTP/1.2\r\nX-A: b", 400),
    "a18 http 0.9": (b"GET /\r\nHost: a", 505),
    "a18 more behind the version": (b"GET / HTTP/1.1x\r\nHost: a", 400),
    "a18 a digit of unicode": ("GET / HTTP/1.\N{FULLWIDTH DIGIT ONE}\r\nHost: a".encode(), 400),
    "a20 connect": (b"CONNECT a:80 HTTP/1.1\r\nHost: a:80", 405),
    "a23 no slash": (b"GET path HTTP/1.1\r\nHost: a", 400),
    "a23 at sign": (b"GET @host HTTP/1.1\r\nHost: a", 400),
    "a23 fragment": (b"GET /a#b HTTP/1.1\r\nHost: a", 400),
    "a23 space": (b"GET /a b HTTP/1.1\r\nHost: a", 400),
    "a23 raw utf-8": ("GET /caf\N{LATIN SMALL LETTER E WITH ACUTE} HTTP/1.1\r\nHost: a".encode(), 400),
    "a23 another scheme": (b"GET ftp://a/ HTTP/1.1\r\nHost: a", 400),
    "a23 a user in the url": (b"GET http://user@a/ HTTP/1.1\r\nHost: a", 400),
    "a23 asterisk of a get": (b"GET * HTTP/1.1\r\nHost: a", 400),
}


@pytest.mark.parametrize(("head", "expected"), SMUGGLED.values(), ids=SMUGGLED.keys())
async def test_a_bad_head_is_refused_and_reaches_no_backend(stage: ProxyFixture, head: bytes, expected: int) -> None:
    client = await stage.client()
    await client.send(head + b"\r\n\r\n" + GET)
    assert await refusal(client) == expected
    assert stage.backend.untouched()


async def test_the_refusal_of_a_head_request_has_no_body(stage: ProxyFixture) -> None:
    client = await stage.client()
    await client.send(b"HEAD / HTTP/1.1\r\nHost: a b\r\n\r\n")
    head, _, body = (await client.rest()).partition(b"\r\n\r\n")
    assert (status(head), body) == (400, b"")


@pytest.mark.parametrize(
    "chunk",
    [
        *(b"5 \t\r\nhello", b"5;\r\nhello", b"5; \r\nhello", b"5;a=\r\nhello", b"5;=a\r\nhello", b"5;a b\r\nhello"),
        *(b"5 5\r\nhello", b"5;a\nhello", b'5;a="b\r\nhello', b";a\r\nhello", b"\r\n5\r\nhello", b"5\r;a\r\nhello"),
        *(
            b"+5\r\nhello",
            b"-5\r\nhello",
            b"0x5\r\nhello",
            b"5 \r\nhello",
            b"f" * 17 + b"\r\n",
            b"5\nhello",
            b"5\r\nhelloX",
        ),
    ],
)
async def test_a15_a_bad_chunk_never_makes_a_whole_request(stage: ProxyFixture, chunk: bytes) -> None:
    client = await stage.client()
    await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + b"\r\n0\r\n\r\n")
    assert await refusal(client) == 400
    assert stage.backend.untouched()


async def test_a15_a_late_bad_chunk_closes_the_backend_connection(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    await backend.until(b"hello\r\n")
    await client.send(b"zz\r\n")
    assert await refusal(client) == 400
    assert await backend.rest() == b""


async def test_a16_endless_chunk_extensions_are_refused(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;")
    await backend.head()
    await send_endlessly(client, b"x" * 1024)
    assert await refusal(client) == 400
    assert await backend.rest() == b""


@pytest.mark.parametrize("piece", [b"x" * 1024, b"X-A: b\r\n" * 100], ids=["one field", "many fields"])
async def test_endless_trailers_are_refused(stage: ProxyFixture, piece: bytes) -> None:
    client, backend = await stage.ask(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
    await backend.head()
    await send_endlessly(client, piece)
    assert await refusal(client) == 400
    assert b"0\r\n" not in await backend.rest()


MUCH = {
    "180 fields": b"".join(b"X-%d: %b\r\n" % (at, b"x" * 170) for at in range(180)),
    "101 short fields": b"X: y\r\n" * 101,
    "40 KiB": b"".join(b"X-%d: %b\r\n" % (at, b"x" * 1000) for at in range(40)),
}


@pytest.mark.parametrize("trailers", MUCH.values(), ids=MUCH.keys())
@pytest.mark.parametrize("size", [1000, 1_000_000], ids=["pieces", "at once"])
async def test_a17_trailers_are_limited_as_heads_are_however_they_come(
    stage: ProxyFixture, trailers: bytes, size: int
) -> None:
    client, backend = await stage.ask(CHUNKED_POST[: -len(b"0\r\n\r\n")])
    await backend.until(b"hello\r\n")
    data = b"0\r\n" + trailers + b"\r\n"
    for at in range(0, len(data), size):
        await client.send(data[at : at + size])
        await asyncio.sleep(0)
    assert await refusal(client) == 400
    assert b"0\r\n" not in await backend.rest()


async def test_a17_a_hundred_trailers_go_on(stage: ProxyFixture) -> None:
    trailers = b"X: y\r\n" * 100
    _, backend = await stage.ask(CHUNKED_POST[:-2] + trailers + b"\r\n")
    assert await backend.until(b"\r\n\r\n" + b"5\r\nhello\r\n0\r\n" + trailers + b"\r\n")


async def test_a17_trailers_never_become_fields(stage: ProxyFixture) -> None:
    trailers = (
        b"Host: evil\r\nX-Forwarded-For: 6.6.6.6\r\nX-Internal-Service: 6.6.6.6:80\r\nConnection: close\r\n"
        b"Authorization: Basic eA==\r\nX-Checksum: 42\r\n"
    )
    _, backend = await stage.ask(CHUNKED_POST[:-2] + trailers + b"\r\n")
    assert await backend.head() == (
        b"POST /two HTTP/1.1\r\nHost: a\r\n" + forwarded() + b"Transfer-Encoding: chunked\r\n\r\n"
    )
    assert await backend.until(b"\r\n\r\n") == b"5\r\nhello\r\n0\r\nX-Checksum: 42\r\n\r\n"
    assert backend.silent()


@pytest.mark.parametrize("trailer", [b"Content-Length: 9", b"Transfer-Encoding: chunked"])
async def test_a17_framing_in_trailers_is_refused(stage: ProxyFixture, trailer: bytes) -> None:
    client = await stage.client()
    await client.send(CHUNKED_POST[:-2] + trailer + b"\r\n\r\n")
    assert await refusal(client) == 400


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
@pytest.mark.parametrize(
    "said",
    [
        b"Connection: close",
        b"Proxy-Connection: Close",
        b"Connection: keep-alive, Close",
        b"Connection: close\r\nConnection: keep-alive",
        b"Proxy-Connection: x, close\r\nConnection: keep-alive",
    ],
)
async def test_a26_a_request_after_close_is_ignored(stage: ProxyFixture, version: bytes, said: bytes) -> None:
    get = b"GET / HTTP/%b\r\nHost: a\r\n%b\r\n\r\n"
    client, backend = await stage.ask(get % (version, said) + get % (version, b"X-Second: 1"))
    await backend.head()
    await backend.send(OK)
    assert b"Connection: close\r\n" in await client.head()
    assert await client.rest() == b"ok"
    assert backend.silent()


async def test_a21_the_host_of_a_whole_url_counts(stage: ProxyFixture) -> None:
    _, backend = await stage.ask(b"GET http://b:8080/x?y HTTP/1.1\r\nHost: a\r\n\r\n")
    assert await backend.head() == b"GET /x?y HTTP/1.1\r\nHost: b:8080\r\n" + forwarded(b"b:8080") + b"\r\n"


async def test_a22_options_of_everything_goes_on(stage: ProxyFixture) -> None:
    _, backend = await stage.ask(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await backend.head()).startswith(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n")


async def test_a23_a_target_with_two_slashes_goes_to_our_backend(stage: ProxyFixture) -> None:
    _, backend = await stage.ask(get("//evil/x"))
    assert (await backend.head()).startswith(b"GET //evil/x HTTP/1.1\r\nHost: a\r\n")


MARK = b"<script>alert(1)</script>"


@pytest.mark.parametrize(
    "request_",
    [
        b"GET " + MARK + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /" + MARK + b" HTTP/9.9\r\nHost: a\r\n\r\n",
        b"GET /" + MARK + b" HTTP/1.1\r\nX: no host\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: " + MARK + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: " + MARK + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + MARK + b": x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: " + MARK + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + MARK,
        MARK + b" / HTTP/1.1\r\nHost: a\r\n\r\n",
        get("/" + MARK.decode() * 1000),
    ],
)
async def test_a32_a_refusal_is_plain_text_and_no_echo(stage: ProxyFixture, request_: bytes) -> None:
    client = await stage.client()
    await client.send(request_)
    head, _, body = (await client.rest()).partition(b"\r\n\r\n")
    assert b"\r\nContent-Type: text/plain; charset=utf-8" in head
    assert 0 < len(body) <= 200
    assert not any(word in head + body for word in (b"script", b"alert"))


# A24: limits


async def test_a24_a_target_of_8000_bytes_goes_on(stage: ProxyFixture) -> None:
    path = "/" + "x" * 7999
    _, backend = await stage.ask(get(path))
    assert (await backend.head()).startswith(f"GET {path} HTTP/1.1\r\n".encode())


async def test_a24_sixteen_kibibytes_of_fields_go_on(stage: ProxyFixture) -> None:
    _, backend = await stage.ask(get("/", *(f"X-{number}: {'v' * 1000}" for number in range(16))))
    assert len(await backend.head()) > 16000


TOO_MUCH = {
    "target of 9000 bytes": (get("/" + "x" * 8999), 414),
    "40 KiB of fields": (get("/", *(f"X-{number}: {'v' * 1000}" for number in range(40))), 431),
    "one field of 40 KiB": (get("/", f"X-A: {'v' * 40000}"), 431),
    "200 fields": (get("/", *(f"X-{number}: v" for number in range(200))), 431),
}


@pytest.mark.parametrize(("request_", "expected"), TOO_MUCH.values(), ids=TOO_MUCH.keys())
async def test_a24_too_much_is_refused(stage: ProxyFixture, request_: bytes, expected: int) -> None:
    client = await stage.client()
    await client.send(request_)
    assert await refusal(client) == expected
    assert stage.backend.untouched()


@pytest.mark.parametrize("start", [b"GET /", get("/", "X-A: ")[:-4]], ids=["target", "field"])
async def test_a24_an_endless_head_is_refused(stage: ProxyFixture, start: bytes) -> None:
    client = await stage.client()
    await client.send(start)
    await send_endlessly(client, b"x" * 1024)
    assert await refusal(client) == 431


async def test_endless_empty_lines_are_refused(stage: ProxyFixture) -> None:
    client = await stage.client()
    await send_endlessly(client, b"\r\n" * 512)
    assert await refusal(client) in (400, 431)


METHODS = [
    *("PROPFIND", "M-SEARCH", "OPTIONS", "DELETE", "PATCH", "TRACE", "QUERY"),
    # Registered (RFC 3253, RFC 3648, RFC 4437), and not known to the parser
    *("BASELINE-CONTROL", "CHECKIN", "LABEL", "MKREDIRECTREF", "MKWORKSPACE", "ORDERPATCH", "UNCHECKOUT", "UPDATE"),
    *("UPDATEREDIRECTREF", "VERSION-CONTROL"),
    *("PRI", "DESCRIBE", "PLAY", "get", "Get", "G", "GETS", "X" * 64, "!#$%&'*+-.^_`|~0"),
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [1, 1000], ids=["byte by byte", "at once"])
async def test_a25_every_method_goes_on(stage: ProxyFixture, method: str, size: int) -> None:
    stage.backend.play(answers(OK))
    client = await stage.client()
    request = f"{method} /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi".encode()
    for at in range(0, len(GET + request + GET), size):
        await client.send((GET + request + GET)[at : at + size])
        await asyncio.sleep(0)
    for _ in range(3):
        assert status(await client.until(b"\r\n\r\nok")) == 200


@pytest.mark.parametrize("method", METHODS)
async def test_a25_methods_go_on_as_they_are(stage: ProxyFixture, method: str) -> None:
    _, backend = await stage.ask(f"{method} / HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    assert await backend.head() == f"{method} / HTTP/1.1\r\nHost: a\r\n".encode() + forwarded() + b"\r\n"


@pytest.mark.parametrize(
    ("start", "expected"),
    [(b"X" * 65 + b" / HTTP/1.1", 501), (b"X" * 65, 400), (b"LA(BEL / HTTP/1.1", 400), (b"LABEL\t/ HTTP/1.1", 400)],
)
async def test_a25_what_is_no_method_or_too_long_is_refused(stage: ProxyFixture, start: bytes, expected: int) -> None:
    client = await stage.client()
    await client.send(start + b"\r\nHost: a\r\n\r\n")
    assert await refusal(client) == expected
    assert stage.backend.untouched()


async def test_a25_what_is_wrong_behind_an_unknown_method_is_told(stage: ProxyFixture) -> None:
    client = await stage.client()
    await client.send(b"LABEL / HTTP/1.1\r\nX: no host\r\n\r\n")
    head = await client.head()
    assert status(head) == 400
    assert b"X-Composectl-Error: no-host\r\n" in head


@pytest.mark.parametrize("version", [b"1.2", b"1.9"])
async def test_a18_a_later_minor_version_is_read_as_http_1_1(stage: ProxyFixture, version: bytes) -> None:
    client, backend = await stage.ask(CHUNKED_POST.replace(b"HTTP/1.1", b"HTTP/" + version))
    assert (await backend.head()).startswith(b"POST /two HTTP/1.1\r\nHost: a\r\n")
    assert await backend.until(b"0\r\n\r\n") == b"5\r\nhello\r\n0\r\n\r\n"
    await backend.send(OK)
    assert b"Connection: close" not in await client.head()


@pytest.mark.parametrize("extension", [b";x", b"; a=b", b" ;a=b", b";a = b", b'\t;\ta="b; c" ; d', b';x="\\""'])
@pytest.mark.parametrize("size", [1, 7, 1000], ids=["byte by byte", "pieces", "at once"])
async def test_a16_extensions_are_dropped_with_the_space_around_them(
    stage: ProxyFixture, extension: bytes, size: int
) -> None:
    request = CHUNKED_POST.replace(b"5\r\n", b"5%b\r\n" % extension).replace(b"0\r\n", b"0%b\r\n" % extension)
    client = await stage.client()
    for at in range(0, len(request * 2), size):
        await client.send((request * 2)[at : at + size])
        await asyncio.sleep(0)
    backend = await stage.backend.accept()
    for _ in range(2):
        await backend.head()
        body = (await backend.until(b"0\r\n\r\n")).split(b"\r\n")
        assert b"".join(body[1:-3:2]) == b"hello"
        await backend.send(OK)
        assert status(await client.until(b"ok")) == 200


# A26: pipelining


async def test_a26_three_gets_at_once_are_answered_in_order(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(get("/1") + get("/2") + get("/3"))
    for number in b"123":
        assert b"GET /%c " % number in await backend.head()
        assert backend.silent()
        await backend.send(ok(b"%c" % number))
        assert (await client.head()).startswith(b"HTTP/1.1 200 OK\r\n")
        assert await client.exactly(1) == b"%c" % number


async def test_a26_a_chunked_post_between_two_gets(open_stage: OpenStage) -> None:
    stage = await open_stage(3)
    client = await stage.client()
    await client.send(get("/1") + CHUNKED_POST + get("/3"))
    for number, body in enumerate((b"", b"5\r\nhello\r\n0\r\n\r\n", b"")):
        backend = await stage.backends[number].accept()
        await backend.head()
        assert await backend.exactly(len(body)) == body
        await backend.send(ok(b"%d" % number))
        await client.head()
        assert await client.exactly(1) == b"%d" % number


async def test_a26_after_a_refusal_nothing_more_is_answered(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(get("/1") + b"GET / HTTP/1.1\r\nX: no host\r\n\r\n" + get("/3"))
    await backend.head()
    assert client.silent()
    await backend.send(OK)
    assert (await client.head()).startswith(b"HTTP/1.1 200 OK\r\n")
    await client.exactly(2)
    assert await refusal(client) == 400
    await wait_until_async(lambda: stage.pool.leases.requests == 1)


async def test_a26_a_request_during_another_one_is_answered_after_it(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(get("/1"))
    await backend.head()
    await client.send(get("/2"))
    await client.send(get("/3")[:20])
    await backend.send(ok(b"1"))
    assert b"/2" in await backend.head()
    await client.send(get("/3")[20:])
    await backend.send(ok(b"2"))
    assert b"/3" in await backend.head()
    await backend.send(ok(b"3"))
    for number in b"123":
        await client.head()
        assert await client.exactly(1) == b"%c" % number


async def test_a27_ten_thousand_requests_at_once_are_all_answered(stage: ProxyFixture) -> None:
    stage.backend.play(answers(OK))
    client = await stage.client(receive_buffer=4096)
    await client.send(GET * 10_000)
    for _ in range(10_000):
        await client.until(b"\r\n\r\nok")
    assert stage.pool.leases.requests == 10_000
    assert client.silent()


async def test_f3_a_requested_close_comes_after_the_response(stage: ProxyFixture) -> None:
    stage.backend.play(answers(OK))
    client = await stage.client()
    await client.send(get("/1") + get("/2", "Connection: close") + get("/3"))
    assert b"Connection: " not in await client.until(b"ok")
    assert b"\r\nConnection: close\r\n" in await client.until(b"ok")
    assert await client.rest() == b""
    assert stage.pool.leases.requests == 2


# A28: segments


@pytest.mark.parametrize(
    "request_",
    [
        get("/x?y", "X-A: b"),
        CHUNKED_POST,
        post(b"hello"),
        b"GET http://a/ HTTP/1.1\r\nHost: a\r\nConnection: X-A\r\nX-A: b\r\n\r\n",
    ],
    ids=["get", "chunked", "length", "whole url"],
)
async def test_a28_byte_by_byte_is_the_same_as_at_once(open_stage: OpenStage, request_: bytes) -> None:
    heard = []
    for bytewise in (False, True):
        stage = await open_stage()
        client = await stage.client()
        await (client.send_in_pieces(request_) if bytewise else client.send(request_))
        backend = await stage.backend.accept()
        head = await backend.head()
        body = unchunked(await backend.until(b"0\r\n\r\n")) if b"chunked" in head else b""
        heard.append((head, body or await backend.exactly(5 * (b"Length" in head))))
    assert heard[0] == heard[1]


def unchunked(body: bytes) -> bytes:
    return b"".join(re.findall(rb"[0-9a-f]+\r\n(.*)\r\n", body))


async def test_a28_a_long_target_in_segments_is_refused_as_well(stage: ProxyFixture) -> None:
    client = await stage.client()
    request = get("/" + "x" * 8999)
    for at in range(0, len(request), 1000):
        await client.send(request[at : at + 1000])
    assert await refusal(client) == 414


# Deadlines


async def test_p9_a_head_that_dribbles_in_is_refused(stage: ProxyFixture) -> None:
    client = await stage.client()
    await client.send(b"GET / HTTP/1.1\r\n")
    await wait_until_async(lambda: waits_in_a_head(stage))
    stage.seconds_pass(9)
    assert client.silent()
    stage.seconds_pass(2)
    assert await refusal(client) == 408


async def test_p9_dribbling_gains_no_time(stage: ProxyFixture) -> None:
    client = await stage.client()
    await client.send(b"GET / HTTP/1.1\r\n")
    await wait_until_async(lambda: waits_in_a_head(stage))
    for _ in range(11):
        assert client.silent()
        await client.send(b"x")
        stage.seconds_pass(1)
    assert await refusal(client) == 408


def waits_in_a_head(stage: ProxyFixture) -> bool:
    return any(is_in_a_head(connection) for connection in stage.server.context.connections)


async def test_an_idle_connection_is_closed(stage: ProxyFixture) -> None:
    stage.backend.play(answers(OK))
    client = await stage.client()
    await client.send(GET)
    await client.until(b"ok")
    stage.seconds_pass(75)
    assert client.silent()
    stage.seconds_pass(1)
    assert await client.rest() == b""


async def test_an_answer_may_take_its_time(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(GET)
    await backend.head()
    stage.seconds_pass(1000)
    await backend.send(OK)
    assert (await client.until(b"ok")).startswith(b"HTTP/1.1 200")


async def test_e6_an_upload_may_take_its_time(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(post(b"he", 5))
    await backend.until(b"he")
    stage.seconds_pass(1000)
    await client.send(b"llo")
    assert await backend.exactly(3) == b"llo"


async def test_a_head_that_waits_for_us_is_not_too_slow(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(GET * 20 + get("/last")[:10])
    await backend.head()
    stage.seconds_pass(20)
    await client.send(get("/last")[10:])
    for _ in range(21):
        await backend.send(OK)
        assert status(await client.until(b"ok")) == 200


async def test_after_a_refusal_what_still_comes_is_read_for_a_while(stage: ProxyFixture) -> None:
    client = await stage.client()
    await client.send(b"GET / HTTP/1.1\r\nX: no host\r\n\r\n")
    assert await refusal(client) == 400
    await client.send(b"x" * 1024)
    stage.seconds_pass(5)
    await client.send(b"x" * 1024)
    stage.seconds_pass(1)
    await wait_until_async(lambda: not stage.server.context.connections)


async def test_a_slow_reader_gets_the_whole_last_response(stage: ProxyFixture) -> None:
    client = await a_client_behind_narrow_buffers(stage)
    await client.send(get("/", "Connection: close"))
    stage.backend.play(answers(ok(b"x" * 50_000)))
    await wait_until_async(lambda: stage.pool.leases.counters().responses[2])
    stage.seconds_pass(30)
    await client.head()
    assert await client.rest() == b"x" * 50_000


async def test_a_client_that_never_reads_the_end_is_cut_off(stage: ProxyFixture) -> None:
    client = await a_client_behind_narrow_buffers(stage)
    await client.send(get("/", "Connection: close"))
    stage.backend.play(answers(ok(b"x" * 50_000)))
    await wait_until_async(lambda: stage.pool.leases.counters().responses[2])
    stage.seconds_pass(80)
    await wait_until_async(lambda: not stage.server.context.connections)


async def a_client_behind_narrow_buffers(stage: ProxyFixture) -> RawConnection:
    """What the client does not read stays, but for some kilobytes, with the proxy."""
    client = await stage.client(receive_buffer=4096)
    await wait_until_async(lambda: stage.server.context.connections)
    for connection in stage.server.context.connections:
        connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return client


# Backpressure


async def test_p6_a_reader_that_stops_stops_the_backend(stage: ProxyFixture) -> None:
    client = await stage.client(receive_buffer=4096)
    await client.send(GET)
    backend = await stage.backend.accept()
    await backend.head()
    await backend.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
    await fill(backend)
    assert unsent_to_clients(stage) < 1024 * 1024


async def test_e5_a_backend_that_stops_stops_the_upload(open_stage: OpenStage) -> None:
    stage = await open_stage(receive_buffer=4096)
    client, backend = await stage.ask(post(b"", 1073741824))
    sent = await fill(client)
    assert unsent_to_backends(stage) < 1024 * 1024
    await backend.head()
    await backend.exactly(sent)


def unsent_to_clients(stage: ProxyFixture) -> int:
    return sum(connection.transport.get_write_buffer_size() for connection in stage.server.context.connections)


def unsent_to_backends(stage: ProxyFixture) -> int:
    exchanges = [connection._queue[0] for connection in stage.server.context.connections if connection._queue]
    return sum(
        exchange._backend.transport.get_write_buffer_size() for exchange in exchanges if exchange._backend is not None
    )
