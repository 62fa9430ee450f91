"""The requests of one client go to one backend, by a cookie of the proxy, one of the application, or a field."""

from __future__ import annotations

import re

import pytest

from composectl.balance.sessions import HashedSessions, TokenSessions
from composectl.proxy.limits import Limits, QueueConfig
from composectl.proxy.session_fields import ApplicationCookie, HeaderSession, OwnCookie
from tests.support.backends import answers
from tests.support.http2_backend import OK as OK_FIELDS
from tests.support.http2_backend import Http2Wire, speaks_http2
from tests.support.http2_client import GET as GET_FIELDS
from tests.support.http2_client import Http2Client
from tests.support.http2_stage import http2
from tests.support.messages import GET, OK, get, status
from tests.support.proxy_fixture import OpenStage, ProxyFixture
from tests.support.raw_http import RawConnection
from tests.support.stream_websocket import open_websocket
from tests.support.wait import wait_until_async
from tests.support.websocket_peers import serving
from tests.unit.proxy.test_websockets import HANDSHAKE

KEY = b"k" * 32
COOKIE = re.compile(rb"\r\nSet-Cookie: visit=([0-9a-f]{32}); Path=/; HttpOnly; SameSite=Lax(; Secure)?\r\n")
NAME = re.compile(rb"\r\nX-Internal-Service: ([^\r]+)\r\n")
GRPC = [*GET_FIELDS, (b"content-type", b"application/grpc")]


def own_cookie() -> OwnCookie:
    return OwnCookie(TokenSessions(KEY, 30), b"visit")


async def open_sticky(open_stage: OpenStage, backends: int = 3, fields: object = None, **how: object) -> ProxyFixture:
    stage = await open_stage(backends, session_fields=fields or own_cookie(), **how)
    for backend in stage.backends:
        backend.play(answers(OK))
    return stage


async def begins_what_the_path_names(wire: RawConnection) -> None:
    """Answers each request with the cookie of a session: `/7` begins session 7."""
    while True:
        number = (await wire.head()).split(b" ")[1].removeprefix(b"/")
        cookie = b"Set-Cookie: JSESSIONID=%b; Path=/\r\nContent-Length" % number
        await wire.send(OK.replace(b"Content-Length", cookie) if number else OK)


class Visitor:
    """A client that keeps the cookie, and remembers what came; each request has a connection of its own."""

    def __init__(self, stage: ProxyFixture) -> None:
        self._stage = stage
        self.cookie = b""
        self.heads: list[bytes] = []

    async def ask(self, request: bytes = GET) -> bytes:
        """The backend that answered."""
        if self.cookie:
            request = request.replace(b"\r\n\r\n", b"\r\nCookie: visit=%b\r\n\r\n" % self.cookie, 1)
        client = await self._stage.client()
        await client.send(request)
        head = await client.head()
        client.close()
        assert status(head) == 200, head
        self.heads.append(head)
        if found := COOKIE.search(head):
            self.cookie = found[1]
        named = NAME.search(head)
        assert named is not None
        return named[1]

    @property
    def was_given_a_cookie(self) -> bool:
        return COOKIE.search(self.heads[-1]) is not None


async def test_a_client_that_keeps_the_cookie_stays_with_its_backend(open_stage: OpenStage) -> None:
    stage = await open_sticky(open_stage)
    visitors = [Visitor(stage) for _ in range(6)]
    homes = [await visitor.ask() for visitor in visitors]
    assert len(set(homes)) == 3
    for _ in range(3):
        assert [await visitor.ask() for visitor in visitors] == homes
    assert [len([head for head in visitor.heads if COOKIE.search(head)]) for visitor in visitors] == [1] * 6
    assert stage.pool.leases.sessions is not None
    assert stage.pool.leases.sessions.moved == 0


async def test_of_a_thousand_sessions_over_ten_backends_those_of_the_one_that_leaves_move(
    open_stage: OpenStage,
) -> None:
    stage = await open_sticky(open_stage, 10)
    visitors = [Visitor(stage) for _ in range(1000)]
    before = [await visitor.ask() for visitor in visitors]
    stage.leave(9)
    after = [await visitor.ask() for visitor in visitors]
    moved = sum(home != former for home, former in zip(after, before, strict=True))
    assert 80 <= moved <= 120
    assert stage.pool.leases.sessions is not None
    assert stage.pool.leases.sessions.moved == moved
    assert stage.pool.leases.counters().failed == 0
    assert [await visitor.ask() for visitor in visitors] == after


async def test_a_client_without_cookies_is_served_by_all(open_stage: OpenStage) -> None:
    stage = await open_sticky(open_stage)
    assert len({await Visitor(stage).ask() for _ in range(6)}) == 3


@pytest.mark.parametrize("forged", [b"x", b"0" * 32, b"%00", b"a" * 8000, b"\xff\xfe", b'""'])
async def test_a_cookie_that_was_made_up_is_replaced(open_stage: OpenStage, forged: bytes) -> None:
    stage = await open_sticky(open_stage)
    visitor = Visitor(stage)
    visitor.cookie = forged
    home = await visitor.ask()
    assert visitor.was_given_a_cookie
    assert await visitor.ask() == home


@pytest.mark.parametrize(
    "line",
    [
        "Cookie: a=b; visit={}",
        "Cookie: a=b;visit={}; c=d",
        "cookie: revisit=1; visit={}",
        "COOKIE: a=b\r\nCookie: visit={}",
    ],
)
async def test_the_cookie_is_found_among_others(open_stage: OpenStage, line: str) -> None:
    stage = await open_sticky(open_stage)
    visitor = Visitor(stage)
    home = await visitor.ask()
    token, visitor.cookie = visitor.cookie.decode(), b""
    for _ in range(4):
        assert await visitor.ask(get("/", *line.format(token).split("\r\n"))) == home
        assert not visitor.was_given_a_cookie
        visitor.cookie = b""


async def test_a_cookie_with_a_longer_name_is_another_one(open_stage: OpenStage) -> None:
    stage = await open_sticky(open_stage)
    visitor = Visitor(stage)
    await visitor.ask()
    request = get("/", f"Cookie: revisit={visitor.cookie.decode()}")
    visitor.cookie = b""
    await visitor.ask(request)
    assert visitor.was_given_a_cookie


async def test_the_backend_gets_the_request_as_it_was(open_stage: OpenStage) -> None:
    stage = await open_stage(1, session_fields=own_cookie())
    client, wire = await stage.ask(get("/", "Cookie: a=b; visit=c"))
    assert b"\r\nCookie: a=b; visit=c\r\n" in await wire.head()
    await wire.send(b"HTTP/1.1 200 OK\r\nSet-Cookie: id=7\r\nContent-Length: 0\r\n\r\n")
    head = await client.head()
    assert b"\r\nSet-Cookie: id=7\r\n" in head
    assert COOKIE.search(head)


async def test_the_cookie_is_secure_where_a_trusted_proxy_speaks_tls(open_stage: OpenStage) -> None:
    stage = await open_sticky(open_stage)
    for protocol, is_secure in {"https": True, "http": False, "HTTPS": True, "https, http": True}.items():
        visitor = Visitor(stage)
        await visitor.ask(get("/", f"X-Forwarded-Proto: {protocol}"))
        found = COOKIE.search(visitor.heads[-1])
        assert found is not None
        assert bool(found[2]) is is_secure


async def test_what_a_client_says_of_tls_counts_for_nothing(open_stage: OpenStage) -> None:
    stage = await open_sticky(open_stage, host="0.0.0.0", limits=Limits())
    visitor = Visitor(stage)
    await visitor.ask(get("/", "X-Forwarded-Proto: https", "X-Note: \tX-Forwarded-Proto: https"))
    found = COOKIE.search(visitor.heads[-1])
    assert found is not None
    assert not found[2]


@pytest.mark.parametrize("method", [b"GET", b"POST"])
async def test_a_session_whose_backend_refuses_moves_and_nothing_fails(open_stage: OpenStage, method: bytes) -> None:
    stage = await open_sticky(open_stage)
    visitor = Visitor(stage)
    home = await visitor.ask()
    await next(backend for backend in stage.backends if backend.address.encode() == home).die()
    request = method + b" / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
    other = await visitor.ask(request)
    assert other != home
    assert visitor.was_given_a_cookie
    assert {await visitor.ask(request) for _ in range(5)} == {other}
    assert stage.pool.leases.sessions is not None
    assert stage.pool.leases.sessions.moved == 1
    assert stage.pool.leases.counters().failed == 0


async def test_responses_of_the_proxy_give_no_cookie(open_stage: OpenStage) -> None:
    stage = await open_sticky(open_stage, 1)
    await stage.backend.die()
    client = await stage.client()
    await client.send(GET)
    assert b"Set-Cookie" not in await client.head()


async def test_in_the_queue_a_session_waits_for_any_backend_and_prefers_its_own(open_stage: OpenStage) -> None:
    stage = await open_sticky(open_stage, 2, queue=QueueConfig(30, 10))
    visitor = Visitor(stage)
    home = await visitor.ask()
    stage.observe([])
    client = await stage.client()
    await client.send(GET.replace(b"\r\n\r\n", b"\r\nCookie: visit=%b\r\n\r\n" % visitor.cookie))
    await wait_until_async(lambda: stage.queue.queued == 1)
    stage.observe([0, 1])
    named = NAME.search(await client.head())
    assert named is not None
    assert named[1] == home


async def test_a_session_of_a_backend_in_maintenance_passes_those_that_wait(open_stage: OpenStage) -> None:
    stage = await open_sticky(open_stage, 1, queue=QueueConfig(30, 10))
    visitor = Visitor(stage)
    home = await visitor.ask()
    stage.pool.disable(stage.replica(0).id, "the test says so")
    waiting = await stage.client()
    await waiting.send(GET)
    await wait_until_async(lambda: stage.queue.queued == 1)
    assert await visitor.ask() == home
    assert not visitor.was_given_a_cookie
    stage.pool.enable(stage.replica(0).id, "the test says so")
    assert status(await waiting.head()) == 200


async def test_a_websocket_stays_with_its_session(open_stage: OpenStage) -> None:
    stage = await open_stage(2, session_fields=own_cookie())
    async with serving(stage.backends[0]), serving(stage.backends[1]):
        client = await stage.client()
        await client.send(get("/chat", *HANDSHAKE))
        head = await client.head()
        assert status(head) == 101
        cookie, home = COOKIE.search(head), NAME.search(head)
        assert cookie is not None
        assert home is not None
        for _ in range(3):
            again = await stage.client()
            await again.send(get("/chat", *HANDSHAKE, f"Cookie: visit={cookie[1].decode()}"))
            head = await again.head()
            assert (status(head), COOKIE.search(head)) == (101, None)
            named = NAME.search(head)
            assert named is not None
            assert named[1] == home[1]
            again.close()
        client.close()


async def test_http_1_0_has_sessions_too(open_stage: OpenStage) -> None:
    stage = await open_sticky(open_stage)
    visitor = Visitor(stage)
    home = await visitor.ask(b"GET / HTTP/1.0\r\n\r\n")
    assert await visitor.ask(b"GET / HTTP/1.0\r\n\r\n") == home


# By what clients bring


@pytest.mark.parametrize("line", ["X-User: {}", "x-user:   {}  "])
async def test_a_field_names_the_session(open_stage: OpenStage, line: str) -> None:
    stage = await open_sticky(open_stage, 5, HeaderSession(HashedSessions(KEY, 30), b"x-user"))
    homes = {number: await Visitor(stage).ask(get("/", line.format(number))) for number in range(40)}
    assert len(set(homes.values())) == 5
    for number, home in homes.items():
        visitor = Visitor(stage)
        assert await visitor.ask(get("/", f"X-User: {number}")) == home
        assert b"Set-Cookie" not in visitor.heads[-1]


async def test_a_cookie_of_the_application_names_the_session(open_stage: OpenStage) -> None:
    stage = await open_sticky(open_stage, 5, ApplicationCookie(HashedSessions(KEY, 30), b"JSESSIONID"))
    for number in range(20):
        request = get("/", f"Cookie: a=b; JSESSIONID={number}; c=d")
        assert len({await Visitor(stage).ask(request) for _ in range(3)}) == 1


async def test_a_session_that_a_backend_makes_stays_there(open_stage: OpenStage) -> None:
    fields = ApplicationCookie(HashedSessions(KEY, 30), b"JSESSIONID")
    stage = await open_stage(4, session_fields=fields)
    for backend in stage.backends:
        backend.play(begins_what_the_path_names)
    for number in range(16):
        maker = await Visitor(stage).ask(get(f"/{number}"))
        asked = {await Visitor(stage).ask(get("/", f"Cookie: JSESSIONID={number}")) for _ in range(4)}
        assert asked == {maker}


async def test_a_request_that_names_no_session_is_placed_by_the_policy(open_stage: OpenStage) -> None:
    stage = await open_sticky(open_stage, 3, HeaderSession(HashedSessions(KEY, 30), b"x-user"))
    assert len({await Visitor(stage).ask() for _ in range(3)}) == 3
    assert len({await Visitor(stage).ask(get("/", "X-User:")) for _ in range(3)}) == 3


# HTTP/2


async def answers_all(wire: Http2Wire) -> None:
    number = 0
    while True:
        asked = await wire.request(number)
        await wire.answer(asked.stream_id, OK_FIELDS, b"ok")
        number += 1


async def open_http2(open_stage: OpenStage, fields: object) -> tuple[ProxyFixture, Http2Client]:
    stage = await open_stage(3, session_fields=fields)
    for backend in stage.backends:
        backend.play(speaks_http2(answers_all))
    return stage, await http2(stage)


async def home_of(client: Http2Client, *fields: tuple[bytes, bytes]) -> bytes:
    heard = await client.answer([*GET_FIELDS, *fields])
    assert heard.status == 200
    return heard.fields[b"x-internal-service"]


async def test_streams_of_one_session_go_to_one_backend(open_stage: OpenStage) -> None:
    _, client = await open_http2(open_stage, own_cookie())
    heard = await client.answer(GET_FIELDS)
    given = re.fullmatch(COOKIE.pattern[16:-4], heard.fields[b"set-cookie"])
    assert given is not None
    home = heard.fields[b"x-internal-service"]
    for crumbs in ([(b"cookie", b"visit=" + given[1])], [(b"cookie", b"a=b"), (b"cookie", b"visit=" + given[1])]):
        for _ in range(4):
            heard = await client.answer([*GET_FIELDS, *crumbs])
            assert heard.fields[b"x-internal-service"] == home
            assert b"set-cookie" not in heard.fields
    assert len({await home_of(client) for _ in range(3)}) == 3


async def test_calls_of_grpc_get_no_cookie(open_stage: OpenStage) -> None:
    _, client = await open_http2(open_stage, own_cookie())
    homes = set()
    for _ in range(3):
        heard = await client.answer(GRPC)
        homes.add(heard.fields[b"x-internal-service"])
        assert b"set-cookie" not in heard.fields
    assert len(homes) == 3


async def test_the_metadata_of_grpc_names_the_session(open_stage: OpenStage) -> None:
    _, client = await open_http2(open_stage, HeaderSession(HashedSessions(KEY, 30), b"x-user"))
    homes = {}
    for number in range(12):
        user = (b"x-user", b"%d" % number)
        homes[number] = {(await client.answer([*GRPC, user])).fields[b"x-internal-service"] for _ in range(3)}
    assert {len(home) for home in homes.values()} == {1}
    assert len(set.union(*homes.values())) == 3


async def test_a_websocket_over_http_2_is_given_the_cookie(open_stage: OpenStage) -> None:
    stage = await open_stage(1, session_fields=own_cookie())
    async with serving(stage.backend):
        client = await http2(stage)
        socket = await open_websocket(client)
        assert socket.heard.fields[b"set-cookie"].startswith(b"visit=")
        assert await socket.close(1000) == 1000


async def test_sessions_of_one_connection_are_told_apart(open_stage: OpenStage) -> None:
    stage = await open_sticky(open_stage)
    homes: dict[bytes, bytes] = {}
    wire: RawConnection = await stage.client()
    for _ in range(3):
        visitor = Visitor(stage)
        homes[b""] = await visitor.ask()
        homes[visitor.cookie] = homes.pop(b"")
    for cookie, home in list(homes.items()) * 2:
        await wire.send(get("/", f"Cookie: visit={cookie.decode()}"))
        named = NAME.search(await wire.head())
        assert named is not None
        assert named[1] == home
        assert await wire.exactly(2) == b"ok"
