"""Plain HTTP is sent on to HTTPS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from composectl.proxy.https_redirect import HttpsRedirect
from composectl.proxy.limits import ConnectionLimit
from tests.support.messages import status
from tests.support.raw_http import RawConnection, connect
from tests.support.wait import wait_until_async


class Place:
    """A redirect to the port `https`, which knows one token."""

    def __init__(self) -> None:
        self.https = 443
        self.limit = ConnectionLimit(100)
        self.redirect = HttpsRedirect(lambda: self.https, self.limit, {"known": "known.print"}.get)

    async def open(self) -> None:
        self._server = await asyncio.get_running_loop().create_server(self.redirect, "127.0.0.1", 0)

    async def client(self) -> RawConnection:
        return await connect(self._server.sockets[0].getsockname())

    async def answer(self, request: bytes) -> bytes:
        """All that comes for this request, whose connection ends then."""
        client = await self.client()
        await client.send(request)
        try:
            return await client.rest()
        finally:
            client.close()

    async def close(self) -> None:
        self._server.close()
        self.redirect.close()
        await wait_until_async(lambda: not self.limit.count)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    place = Place()
    await place.open()
    yield place
    await place.close()


def location(answer: bytes) -> bytes:
    assert status(answer) == 308, answer
    return answer.partition(b"Location: ")[2].partition(b"\r\n")[0]


@pytest.mark.parametrize(
    ("request_line", "host", "there"),
    [
        (b"GET / HTTP/1.1", b"shop.test", b"https://shop.test/"),
        (b"GET /a/b?c=d&e=http://x.test/y HTTP/1.1", b"shop.test:80", b"https://shop.test/a/b?c=d&e=http://x.test/y"),
        (b"POST /%0d%0a HTTP/1.0", b"SHOP.test", b"https://SHOP.test/%0d%0a"),
        (b"GET / HTTP/1.1", b"127.0.0.1:8080", b"https://127.0.0.1/"),
        (b"GET / HTTP/1.1", b"[::1]:8080", b"https://[::1]/"),
        (b"GET http://shop.test/a HTTP/1.1", b"shop.test", b"https://shop.test/a"),
        (b"GET http://shop.test?a HTTP/1.1", b"shop.test", b"https://shop.test/?a"),
        (b"OPTIONS * HTTP/1.1", b"shop.test", b"https://shop.test/"),
        (b"\r\nGET / HTTP/1.1", b"shop.test", b"https://shop.test/"),
    ],
)
async def test_a_request_goes_to_the_same_place(place: Place, request_line: bytes, host: bytes, there: bytes) -> None:
    assert location(await place.answer(b"%b\r\nHost: %b\r\n\r\n" % (request_line, host))) == there


async def test_another_port_is_named(place: Place) -> None:
    place.https = 8443
    assert location(await place.answer(b"GET /a HTTP/1.1\r\nhost:shop.test\r\n\r\n")) == b"https://shop.test:8443/a"


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: \r\n\r\n",
        b"GET a HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /\x80 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\0\xff\r\n\r\n",
    ],
)
async def test_what_is_no_request_is_refused(place: Place, request_: bytes) -> None:
    answer = await place.answer(request_)
    assert status(answer) == 400
    assert b"Location" not in answer


async def test_the_answer_to_a_challenge_is_given(place: Place) -> None:
    answer = await place.answer(b"GET /.well-known/acme-challenge/known HTTP/1.1\r\nHost: shop.test\r\n\r\n")
    assert status(answer) == 200
    assert answer.endswith(b"\r\n\r\nknown.print")
    other = await place.answer(b"GET /.well-known/acme-challenge/other HTTP/1.1\r\nHost: shop.test\r\n\r\n")
    assert location(other) == b"https://shop.test/.well-known/acme-challenge/other"


async def test_a_body_does_not_take_the_answer_away(place: Place) -> None:
    body = b"x" * 1_000_000
    client = await place.client()
    await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body))
    await client.send(body)
    assert location(await client.rest()) == b"https://a/"
    client.close()


async def test_a_head_has_16_kib_and_ten_seconds(place: Place) -> None:
    assert status(await place.answer(b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000)) == 431
    slow = await place.client()
    await slow.send(b"GET / HT")
    await wait_until_async(lambda: not place.redirect.empty.is_set())
    for _ in range(10):
        place.redirect.sweep()
    assert slow.silent()
    place.redirect.sweep()
    assert await slow.rest() == b""
    slow.close()


async def test_a_client_that_does_not_close_is_closed(place: Place) -> None:
    client = await place.client()
    await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await client.rest()
    for _ in range(11):
        place.redirect.sweep()
    await wait_until_async(lambda: not place.limit.count)
    client.close()
