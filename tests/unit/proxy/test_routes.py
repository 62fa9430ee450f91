"""Routes: several services on one listener, chosen by host and path, whatever the spelling."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import WSMsgType

from composectl.balance.phase import Phase
from composectl.balance.policy import RoundRobin
from composectl.balance.pool import Pool
from composectl.proxy.connection_pool import ConnectionPool
from composectl.proxy.errors import BadMessage
from composectl.proxy.field_edits import FieldEdit, FieldEdits
from composectl.proxy.forwarding import forwarding_lines
from composectl.proxy.guards import make_guards
from composectl.proxy.head import RequestHead, request_head
from composectl.proxy.http2 import frames
from composectl.proxy.limits import GuardConfig, Limits, QueueConfig
from composectl.proxy.queue import RequestQueue
from composectl.proxy.router import Router
from composectl.proxy.routes import Route, plain_path
from composectl.proxy.server import make_upstreams
from composectl.proxy.token_buckets import RateLimit
from composectl.proxy.upstreams import Upstream, Upstreams
from tests.support.backends import answers
from tests.support.http2_client import GET as GET_FIELDS
from tests.support.http2_stage import http2, wire_of
from tests.support.messages import ok, status
from tests.support.proxy_fixture import OpenStage, ProxyFixture
from tests.support.stream_websocket import CONNECT, open_websocket
from tests.support.wait import wait_until_async
from tests.support.websocket_peers import said_back, serving, through
from tests.unit.proxy.test_guards import asked

WEB, API = b"I am web", b"I am api"


def upstreams(name: str) -> Upstreams:
    pool = Pool(name, RoundRobin(), lambda: 0.0, lambda change, backend: None)
    return make_upstreams(Upstream(pool, ConnectionPool(80), RequestQueue(pool, QueueConfig(0))))


def head_of(target: str, host: str = "shop.test") -> RequestHead:
    forwarding = forwarding_lines("::1", "http", "composectl")
    return request_head(b"GET", target.encode(), "1.1", [(b"Host", host.encode())], forwarding)


def router(*routes: str) -> Router:
    made = Router()
    for route in routes:
        host, slash, path = route.partition("/")
        made.add(Route(host.encode(), (slash + path).rstrip("/").encode()), upstreams(route))
    return made


def directed(made: Router, target: str, host: str = "shop.test") -> str:
    try:
        return made.direct(head_of(target, host)).http1.pool.service
    except BadMessage as bad:
        return str(bad.status)


@pytest.mark.parametrize(
    ("host", "target", "route"),
    [
        ("shop.test", "/", "shop.test"),
        ("SHOP.Test.:8443", "/a?b=/api", "shop.test"),
        ("shop.test", "/api", "shop.test/api"),
        ("shop.test", "/api/x", "shop.test/api"),
        ("shop.test", "/api?x", "shop.test/api"),
        ("shop.test", "/apix", "shop.test"),
        ("shop.test", "/api/v2/x", "shop.test/api/v2"),
        ("shop.test", "/api/v20", "shop.test/api"),
        ("www.shop.test", "/", "*.shop.test"),
        ("a.www.shop.test", "/", "404"),
        ("xshop.test", "/", "404"),
        ("shop.test.evil", "/", "404"),
        ("other.test", "/any/x", "/any"),
        ("shop.test", "http://www.shop.test/", "*.shop.test"),
        ("www.shop.test", "http://SHOP.test/api", "shop.test/api"),
        ("[::1]:80", "/", "[::1]"),
        ("127.0.0.1", "/any", "/any"),
    ],
)
def test_the_most_exact_host_wins_and_then_the_longest_path(host: str, target: str, route: str) -> None:
    made = router("/any", "*.shop.test", "shop.test", "shop.test/api/v2", "shop.test/api", "[::1]")
    assert directed(made, target, host) == route


def test_a_host_without_the_path_leaves_the_request_to_a_less_exact_one() -> None:
    made = router("shop.test/api", "*.test", "/")
    assert [directed(made, "/api"), directed(made, "/"), directed(made, "/", "other")] == [
        "shop.test/api",
        "*.test",
        "/",
    ]


@pytest.mark.parametrize(
    "target",
    [
        *("/%61dmin", "/admin/", "//admin", "/./admin", "/x/../admin", "/x/%2e%2e/admin", "/%2Fadmin", "/admin%2fx"),
        *(
            "/admin;a=b",
            "/;a/admin",
            "/x\\..\\admin",
            "/%5cadmin",
            "/admin/%2e",
            "/../admin",
            "/admin?x",
            "/x/..;/admin",
        ),
    ],
)
def test_no_spelling_of_a_path_leads_past_its_service(target: str) -> None:
    assert directed(router("/", "/admin"), target) == "/admin"


@pytest.mark.parametrize("target", ["/Admin", "/administrator", "/x/admin", "/admin/..", "/%2561dmin", "/?/admin", "/"])
def test_another_path_is_another_path(target: str) -> None:
    assert directed(router("/", "/admin"), target) == "/"


@pytest.mark.parametrize(
    ("server_name", "status"), [(b"", 404), (b"other.test", 404), (b"shop.test", 421), (b"third.test", 421)]
)
def test_a_request_for_a_host_that_the_connection_is_not_for_is_misdirected(server_name: bytes, status: int) -> None:
    with pytest.raises(BadMessage) as raised:
        router("shop.test").direct(head_of("/", "OTHER.test"), server_name)
    assert raised.value.status == status


@pytest.mark.parametrize(
    ("path", "plain"), [(b"/a/b", b"/a/b"), (b"/a//b/", b"/a/b"), (b"/%61", b"/a"), (b"/..", b"/"), (b"/a%00", b"/a\0")]
)
def test_a_plain_path(path: bytes, plain: bytes) -> None:
    assert plain_path(path) == plain


@pytest.mark.parametrize(
    ("target", "seen"),
    [("/api", b"/"), ("/api/", b"/"), ("/api/x?y", b"/x?y"), ("/api?y", b"/?y"), ("/api//x", b"//x")],
)
def test_a_path_may_be_stripped(target: str, seen: bytes) -> None:
    made = Router()
    made.add(Route(b"", b"/api", strips=True), upstreams("api"))
    head = head_of(target)
    made.direct(head)
    assert head.target == seen
    assert head.data.startswith(b"GET %b HTTP/1.1\r\nHost: shop.test\r\n" % seen)
    assert b"\r\nX-Forwarded-Prefix: /api\r\n" in head.data


@pytest.mark.parametrize("target", ["/%61pi/x", "//api", "/x/../api"])
def test_a_path_that_is_spelt_in_another_way_cannot_be_stripped(target: str) -> None:
    made = Router()
    made.add(Route(b"", b"/api", strips=True), upstreams("api"))
    assert directed(made, target) == "400"


async def open_shared(open_stage: OpenStage, route: Route, **how: object) -> ProxyFixture:
    """`web` is the service of the stage; `api` has its second backend, with these settings of an upstream."""
    stage = await open_stage(2, routes=[Route()])
    stage.observe([0])
    stage.backend.play(answers(ok(WEB)))
    stage.backends[1].play(answers(ok(API)))
    share(stage, route, how.pop("limits", Limits()), **how)  # type: ignore[arg-type]
    return stage


def share(stage: ProxyFixture, route: Route, limits: Limits, drain_seconds: int = 0, **how: object) -> None:
    """Let `api`, with the second backend, have this route of the listener."""
    stage.other = pool = Pool("api", RoundRobin(), lambda: 0.0, lambda change, backend: None)
    pool.sync([stage.replica(1)])
    connections = ConnectionPool(stage.backend.port)
    upstream = Upstream(pool, connections, RequestQueue(pool, QueueConfig(0)), **how)  # type: ignore[arg-type]
    stage.server.share(make_upstreams(upstream, limits), [route], drain_seconds)


def get(target: str, host: str = "a") -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


async def test_requests_of_one_connection_go_to_several_services(open_stage: OpenStage) -> None:
    stage = await open_shared(open_stage, Route(b"", b"/api"))
    client = await stage.client()
    for target, body in [("/", WEB), ("/api/x", API), ("/apix", WEB), ("/api", API)] * 4:  # so that heads come again
        await client.send(get(target))
        assert (await client.until(body)).endswith(body)
    assert (stage.pool.leases.requests, stage.other.leases.requests) == (8, 8)


async def test_streams_of_one_connection_go_to_several_services(open_stage: OpenStage) -> None:
    stage = await open_shared(open_stage, Route(b"api.test"))
    client = await http2(stage)
    for authority, body in [(b"a", WEB), (b"API.test:80", API), (b"a", WEB), (b"api.test", API)] * 2:
        heard = await client.answer([*GET_FIELDS[:3], (b":authority", authority)])
        assert bytes(heard.body) == body


@pytest.mark.parametrize(
    "lines",
    ["Host: api.test\r\nHost: a", "Host: a, api.test", "Host: a@api.test", "Host: api.test/a", "Host: a api.test"],
)
async def test_a_host_that_may_be_read_in_two_ways_is_refused(open_stage: OpenStage, lines: str) -> None:
    stage = await open_shared(open_stage, Route(b"api.test"))
    assert status(await asked(await stage.client(), f"GET / HTTP/1.1\r\n{lines}\r\n\r\n".encode())) == 400
    assert (stage.pool.leases.requests, stage.other.leases.requests) == (0, 0)


@pytest.mark.parametrize(
    "fields",
    [[(b":authority", b"a"), (b"host", b"api.test")], [(b":authority", b"a@api.test")], [(b":authority", b"")]],
)
async def test_an_authority_that_may_be_read_in_two_ways_is_refused(
    open_stage: OpenStage, fields: list[tuple[bytes, bytes]]
) -> None:
    stage = await open_shared(open_stage, Route(b"api.test"))
    heard = await (await http2(stage)).answer([*GET_FIELDS[:3], *fields])
    assert heard.status == 400
    assert (stage.pool.leases.requests, stage.other.leases.requests) == (0, 0)


async def test_the_target_says_the_host_where_it_is_an_absolute_uri(open_stage: OpenStage) -> None:
    stage = await open_shared(open_stage, Route(b"api.test"))
    client = await stage.client()
    for target, host, body in [("http://API.test/", "a", API), ("http://a/", "api.test", WEB)]:
        await client.send(get(target, host))
        assert (await client.until(body)).endswith(body)


async def test_what_no_service_gets_is_a_404(open_stage: OpenStage) -> None:
    stage = await open_stage(routes=[Route(b"shop.test")])
    client = await stage.client()
    head = await asked(client, get("/", "other.test"))
    assert status(head) == 404
    assert b"X-Composectl-Error: no-route\r\n" in head
    heard = await (await http2(stage)).answer([*GET_FIELDS[:3], (b":authority", b"other.test")])
    assert (heard.status, heard.fields[b"x-composectl-error"]) == (404, b"no-route")
    assert stage.pool.leases.bad_requests == {"no-route": 2}
    assert stage.backend.untouched()


async def test_each_service_has_its_own_guards_limits_and_headers(open_stage: OpenStage) -> None:
    stage = await open_shared(
        open_stage,
        Route(b"", b"/api"),
        guards=make_guards(GuardConfig(rate_limit=RateLimit(1, 3600, 1))),
        response_edits=FieldEdits((FieldEdit(b"X-Service", b"api"),)),
        limits=Limits(max_request_body=1),
    )
    client = await stage.client()
    assert b"X-Service" not in await asked(client, get("/"))
    assert b"X-Service: api\r\n" in await asked(client, get("/api"))
    assert [status(await asked(client, get(target))) for target in ("/api", "/", "/api")] == [429, 200, 429]
    assert stage.other.leases.bad_requests == {"rate-limited": 2}
    assert not stage.pool.leases.bad_requests
    body = "POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab"
    assert status(await asked(client, body.format("/").encode())) == 200
    assert status(await asked(client, body.format("/api").encode())) == 413
    other = await http2(stage)
    for path, expected in [(b"/", 200), (b"/api", 413)]:
        fields = [(b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", path)]
        assert (await other.answer([*fields, (b"content-length", b"2")], b"ab")).status == expected


TIMES = [("/", 2), ("/chat/api", 5)]


async def open_timed(open_stage: OpenStage) -> ProxyFixture:
    """Two services whose responses, and WebSockets, may take so many seconds."""
    web, api = (Limits(response_timeout=seconds, idle_timeout=seconds) for _, seconds in TIMES)
    stage = await open_stage(2, routes=[Route()], limits=web)
    stage.observe([0])
    share(stage, Route(b"", b"/chat/api"), api)
    return stage


@pytest.mark.parametrize(("target", "seconds"), TIMES)
async def test_each_service_has_its_own_time_for_a_response(open_stage: OpenStage, target: str, seconds: int) -> None:
    stage = await open_timed(open_stage)
    client = await stage.client()
    await client.send(get(target))
    backend = await stage.backends[target != "/"].accept()
    await backend.head()
    stage.seconds_pass(seconds)
    assert client.silent()
    stage.seconds_pass(1)
    assert status(await client.head()) == 504


@pytest.mark.parametrize(("target", "seconds"), TIMES)
async def test_each_service_has_its_own_time_for_a_stream(open_stage: OpenStage, target: str, seconds: int) -> None:
    stage = await open_timed(open_stage)
    client = await http2(stage)
    stream_id = await client.ask([*GET_FIELDS[:2], (b":authority", b"a"), (b":path", target.encode())])
    wire = await wire_of(stage, int(target != "/"))
    await wire.request()
    stage.seconds_pass(seconds)
    assert not client.heard[stream_id].fields
    stage.seconds_pass(1)
    assert (await client.until_over(stream_id)).status == 504


@pytest.mark.parametrize(("path", "seconds"), [("/chat", 2), ("/chat/api", 5)])
async def test_each_service_has_its_own_time_for_a_websocket(open_stage: OpenStage, path: str, seconds: int) -> None:
    stage = await open_timed(open_stage)
    async with serving(stage.backends[0]), serving(stage.backends[1]), aiohttp.ClientSession() as session:
        client = await http2(stage)
        of_stream = await open_websocket(
            client, [field if field[0] != b":path" else (b":path", path.encode()) for field in CONNECT]
        )
        async with session.ws_connect(through(stage, path)) as socket:
            assert await said_back(socket, "x") == await of_stream.said_back("x") == "x"
            stage.seconds_pass(seconds + 1)
            assert await said_back(socket, "x") == await of_stream.said_back("x") == "x"
            stage.seconds_pass(seconds + 2)
            assert (await socket.receive()).type in (WSMsgType.CLOSED, WSMsgType.ERROR)
            assert (await client.until_over(of_stream.stream_id)).reset == frames.CANCEL


async def test_websockets_are_offered_where_any_service_takes_them(open_stage: OpenStage) -> None:
    stage = await open_timed(open_stage)
    web, api = (one.http2.connections for one in stage.server._all_upstreams)
    for offers in ((False, True), (False, False)):
        web.offer_websockets, api.offer_websockets = offers
        client = await http2(stage)
        await client.read()
        assert client.connection.remote_settings.enable_connect_protocol == any(offers)


@pytest.mark.parametrize("seconds", [0, 10])
async def test_a_service_has_its_own_time_when_the_listener_shuts_down(open_stage: OpenStage, seconds: int) -> None:
    stage = await open_stage(2, routes=[Route()], drain_seconds=0)
    share(stage, Route(b"", b"/api"), Limits(), drain_seconds=seconds)
    client = await stage.client()
    await client.send(get("/api"))
    backend = await stage.backends[1].accept()
    await backend.head()
    ending = asyncio.create_task(stage.shut_down())
    if seconds:
        await wait_until_async(lambda: stage.other.backends[0].phase is Phase.DRAINING)
        await backend.send(ok(API))
        assert status(await client.head()) == 200
    else:
        with pytest.raises(ConnectionResetError):
            await client.head()
    await ending


async def test_a_backend_of_any_service_can_be_cut(open_stage: OpenStage) -> None:
    stage = await open_shared(open_stage, Route(b"", b"/api"))
    client = await stage.client()
    assert status(await asked(client, get("/api"))) == 200
    (backend,) = stage.other.backends
    stage.server.cut(backend)
    assert status(await asked(client, get("/"))) == 200
