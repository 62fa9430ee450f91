"""The access log: one entry for each request that was begun, however it ends, and no request waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from ipaddress import ip_network

import pytest

from composectl.proxy.access_log import AccessLog
from composectl.proxy.access_log_format import AccessRecord
from composectl.proxy.limits import Limits, QueueConfig
from composectl.proxy.protocol import Protocol
from composectl.proxy.request_id import make_request_id
from tests.support.backends import answers
from tests.support.messages import GET, OK, get, ok, post, status
from tests.support.proxy_fixture import OpenStage, is_in_a_head
from tests.support.wait import wait_until_async
from tests.support.written_log import Logged, Written

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n"
UPLOAD = b"POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"


OpenLogged = Callable[..., Awaitable[Logged]]


@pytest.fixture
def open_logged(open_stage: OpenStage) -> OpenLogged:
    async def opened(backends: int = 1, *, headers: tuple[bytes, ...] = (), **how: object) -> Logged:
        written = Written()
        log = AccessLog(written, written.line, frozenset(headers))
        return Logged(await open_stage(backends, log=log, make_id=make_request_id, **how), log, written)

    return opened


@pytest.fixture
async def logged(open_logged: OpenLogged) -> Logged:
    return await open_logged()


async def test_an_answer(logged: Logged) -> None:
    client, backend = await logged.stage.ask(post(b"hello"))
    head = await backend.head()
    await backend.send(OK)
    await client.until(b"ok")
    entry = await logged.only()
    assert (entry.service, entry.client, entry.method, entry.target, entry.version) == (
        *("echo", "127.0.0.1", b"POST"),
        *(head.split(b" ")[1], "1.1"),
    )
    assert (entry.status, entry.error, entry.received, entry.sent, entry.attempts, entry.queued_ns) == (
        200,
        "",
        5,
        2,
        1,
        0,
    )
    assert entry.replica == logged.stage.replica(0)
    assert entry.id_line in head
    assert entry.ended - entry.started > 0


async def test_chunks_count_without_their_frames(logged: Logged) -> None:
    client, backend = await logged.stage.ask(get("/a"))
    await backend.head()
    await backend.send(CHUNKED + b"5\r\nhello\r\n6\r\n, yes!\r\n0\r\n\r\n")
    await client.until(b"0\r\n\r\n")
    assert (await logged.only()).sent == 11


async def test_the_answer_to_head_has_no_bytes(logged: Logged) -> None:
    client, backend = await logged.stage.ask(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
    await backend.head()
    await backend.send(OK.removesuffix(b"ok"))
    await client.head()
    entry = await logged.only()
    assert (entry.method, entry.status, entry.sent) == (b"HEAD", 200, 0)


async def test_several_at_once_are_told_in_their_order(logged: Logged) -> None:
    logged.stage.backend.play(answers(OK))
    client = await logged.stage.client()
    await client.send(get("/1") + get("/2") + get("/3"))
    for _ in range(3):
        await client.until(b"ok")
    await wait_until_async(lambda: len(logged.entries()) == 3)
    assert [entry.target for entry in logged.entries()] == [b"/1", b"/2", b"/3"]


async def test_a_backend_that_cannot_be_reached(logged: Logged) -> None:
    logged.stage.backend.refuse()
    client = await logged.stage.client()
    await client.send(GET)
    assert status(await client.head()) == 502
    entry = await logged.only()
    assert (entry.status, entry.error, entry.attempts) == (502, "backend-unreachable", 2)


@pytest.mark.parametrize(
    ("request_", "sent"),
    [
        (GET, len(b"503 Service Unavailable\n")),
        (b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", 0),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", len(b"400 Bad Request\n")),
        (b"HEAD / HTTP/1.1\r\nHost: a b\r\n\r\n", 0),
        (b"\0", len(b"400 Bad Request\n")),
    ],
    ids=["no backend", "no backend for head", "bad host", "bad host of head", "no request"],
)
async def test_the_own_pages_count_as_sent(logged: Logged, request_: bytes, sent: int) -> None:
    logged.stage.observe([])
    client = await logged.stage.client()
    await client.send(request_)
    _, _, body = (await client.until(b"\r\n\r\n")).partition(b"\r\n\r\n")
    assert len(body + await client.exactly(sent - len(body))) == sent
    assert (await logged.only()).sent == sent


async def test_d5_no_backend_is_ready(logged: Logged) -> None:
    logged.stage.observe([])
    client = await logged.stage.client()
    await client.send(GET)
    assert status(await client.head()) == 503
    entry = await logged.only()
    assert (entry.status, entry.error, entry.attempts, entry.replica) == (503, "no-backend-ready", 0, None)


async def test_a_request_that_was_queued_and_went_on(open_logged: OpenLogged) -> None:
    logged = await open_logged(queue=QueueConfig(5))
    logged.stage.observe([])
    client = await logged.stage.client()
    await client.send(GET)
    await wait_until_async(lambda: logged.stage.queue.queued == 1)
    logged.stage.observe([0])
    backend = await logged.stage.backend.accept()
    await backend.head()
    await backend.send(OK)
    await client.until(b"ok")
    entry = await logged.only()
    assert (entry.status, entry.error) == (200, "")
    assert 0 < entry.queued_ns < entry.ended - entry.started


async def test_a_further_attempt_tells_of_the_last(open_logged: OpenLogged) -> None:
    logged = await open_logged(2)
    client, first = await logged.stage.ask(GET)
    await first.head()
    first.close()
    second = await logged.stage.backends[1].accept()
    await second.head()
    await second.send(OK)
    await client.until(b"ok")
    entry = await logged.only()
    assert (entry.status, entry.attempts, entry.replica) == (200, 2, logged.stage.replica(1))


async def test_f1_a_client_that_leaves_before_the_answer(logged: Logged) -> None:
    client, backend = await logged.stage.ask(GET)
    await backend.head()
    client.close()
    entry = await logged.only()
    assert (entry.status, entry.error, entry.sent) == (499, "client-left", 0)


async def test_f1_a_client_that_leaves_within_the_answer(logged: Logged) -> None:
    client, backend = await logged.stage.ask(GET)
    await backend.head()
    await backend.send(ok(b"12345")[:-2])
    await client.until(b"123")
    client.close()
    entry = await logged.only()
    assert (entry.status, entry.error, entry.sent) == (200, "client-left", 3)


async def test_d3_a_backend_that_breaks_off(logged: Logged) -> None:
    client, backend = await logged.stage.ask(GET)
    await backend.head()
    await backend.send(ok(b"12345")[:-2])
    await client.until(b"123")
    backend.close()
    await client.rest()
    entry = await logged.only()
    assert (entry.status, entry.error, entry.sent) == (200, "backend-hung-up", 3)


@pytest.mark.parametrize(
    ("said", "answer", "error", "method", "target"),
    [
        (b"GET /a?b=c HTTP/1.1\r\n\r\n", 400, "no-host", b"GET", b"/a?b=c"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400, "bad-request", b"GET", b"/"),
        (b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 405, "no-connect", b"CONNECT", b"a:443"),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, "target-too-long", b"GET", b"/" + b"x" * 9000),
        (b"FOO /a HTTP/1.1\r\n\r\n", 400, "no-host", b"FOO", b"/a"),
        (b"F" * 65 + b" / HTTP/1.1\r\n\r\n", 501, "unknown-method", b"", b""),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400, "tls", b"", b""),
        (get("/", "Host: a"), 400, "bad-host", b"GET", b"/"),
        (get("/", "Expect: wonders"), 417, "unknown-expectation", b"GET", b"/"),
        (get("/", *(f"X-{number}: x" for number in range(101))), 431, "too-many-fields", b"GET", b"/"),
    ],
)
async def test_a_refusal(
    open_logged: OpenLogged, said: bytes, answer: int, error: str, method: bytes, target: bytes
) -> None:
    logged = await open_logged(protocol=Protocol.HTTP)
    client = await logged.stage.client()
    await client.send(said)
    assert status(await client.head()) == answer
    entry = await logged.only()
    assert (entry.status, entry.error, entry.method, entry.target) == (answer, error, method, target)
    assert entry.attempts == 0


async def test_f6_a_head_that_is_too_slow(logged: Logged) -> None:
    client = await logged.stage.client()
    await client.send(b"GET /slow HTTP/1.1\r\nHost:")
    await wait_until_async(
        lambda: any(is_in_a_head(connection) for connection in logged.stage.server.context.connections)
    )
    logged.stage.seconds_pass(12)
    assert status(await client.head()) == 408
    entry = await logged.only()
    assert (entry.status, entry.error, entry.target) == (408, "head-too-slow", b"/slow")


async def test_what_follows_an_answer_and_is_no_request(logged: Logged) -> None:
    logged.stage.backend.play(answers(OK))
    client = await logged.stage.client()
    await client.send(get("/first"))
    await client.until(b"ok")
    await client.send(b"\x00\r\n")
    await client.rest()
    first, second = logged.entries()
    assert (first.target, first.status) == (b"/first", 200)
    assert (second.target, second.status, second.error) == (b"", 400, "bad-request")


async def test_a_body_that_becomes_too_large_is_one_entry(open_logged: OpenLogged) -> None:
    logged = await open_logged(limits=Limits(max_request_body=10))
    client, backend = await logged.stage.ask(UPLOAD)
    await backend.until(b"hello")
    await client.send(b"6\r\n, yes!\r\n")
    assert status(await client.head()) == 413
    entry = await logged.only()
    assert (entry.status, entry.error, entry.target, entry.attempts) == (413, "body-too-large", b"/up", 1)


async def test_a_body_that_is_spoiled_behind_the_answer_is_one_entry(logged: Logged) -> None:
    client, backend = await logged.stage.ask(UPLOAD)
    await backend.until(b"hello")
    await backend.send(ok(b"12345")[:-2])
    await client.until(b"123")
    await client.send(b"zzz\r\n")
    await client.rest()
    entry = await logged.only()
    assert (entry.status, entry.error, entry.sent) == (200, "bad-request", 3)


async def test_g1_a_tunnel_is_logged_at_its_end_with_both_byte_counts(logged: Logged) -> None:
    client, backend = await logged.stage.ask(get("/chat", "Connection: Upgrade", "Upgrade: chat"))
    await backend.head()
    await backend.send(SWITCH + b"hi")
    await client.until(b"hi")
    await client.send(b"hello")
    await backend.exactly(5)
    assert logged.entries() == []
    client.close()
    await backend.rest()
    entry = await logged.only()
    assert (entry.status, entry.error, entry.received, entry.sent) == (101, "", 5, 2)


async def test_g9_a_tunnel_that_pauses_for_too_long_is_logged_as_such(open_logged: OpenLogged) -> None:
    logged = await open_logged(limits=Limits(idle_timeout=3))
    client, backend = await logged.stage.ask(get("/chat", "Connection: Upgrade", "Upgrade: chat"))
    await backend.head()
    await backend.send(SWITCH)
    await client.head()
    logged.stage.seconds_pass(4)
    entry = await logged.only()
    assert (entry.status, entry.error) == (101, "idle-timeout")


@pytest.mark.parametrize(("protocol", "version"), [(Protocol.TCP, "tcp"), (Protocol.TLS, "tls"), (Protocol.AUTO, "")])
async def test_a_proxy_that_does_not_tell_of_its_client_is_logged(
    open_logged: OpenLogged, protocol: Protocol, version: str
) -> None:
    logged = await open_logged(protocol=protocol, limits=Limits(accept_proxy_protocol=True))
    client = await logged.stage.client()
    await client.send(GET)
    entry = await logged.only()
    assert (entry.status, entry.error) == (400, "no-proxy-protocol")
    assert (entry.client, entry.version, entry.method, entry.replica) == ("127.0.0.1", version, b"", None)


async def test_a_peer_that_is_not_trusted_is_logged(open_logged: OpenLogged) -> None:
    limits = Limits(accept_proxy_protocol=True, trusted_proxies=(ip_network("192.0.2.7"),))
    logged = await open_logged(protocol=Protocol.TCP, limits=limits)
    await logged.stage.client()
    entry = await logged.only()
    assert (entry.status, entry.error, entry.version) == (400, "untrusted-proxy", "tcp")


async def test_f10_what_is_cut_at_the_end_is_told(open_logged: OpenLogged) -> None:
    logged = await open_logged(2, drain_seconds=0.0)
    client, backend = await logged.stage.ask(GET)
    await backend.head()
    chatting = await logged.stage.client()
    await chatting.send(get("/chat", "Connection: Upgrade", "Upgrade: chat"))
    tunnel = await logged.stage.backends[1].accept()
    await tunnel.head()
    await tunnel.send(SWITCH)
    await chatting.head()
    await logged.stage.shut_down()
    assert {(entry.status, entry.error) for entry in logged.entries()} == {(499, "cut"), (101, "cut")}
    assert await client.rest() == b""


@pytest.mark.interpreted
async def test_a_fault_of_ours_is_told(logged: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("by the test")

    client, backend = await logged.stage.ask(post(b"hello world")[:-5])
    await backend.until(b"hello ")
    monkeypatch.setattr(type(logged.stage.pool.leases), "acquire", fail)
    await client.send(b"world")
    await backend.send(OK)
    await client.until(b"ok")
    await client.send(GET)
    assert status(await client.head()) == 500
    first, second = logged.entries()
    assert (first.status, second.status, second.error) == (200, 500, "internal-error")
    logged.stage.errors.clear()


async def test_only_the_headers_that_are_wanted_are_kept(open_logged: OpenLogged) -> None:
    logged = await open_logged(headers=(b"user-agent",))
    logged.stage.backend.play(answers(OK))
    client = await logged.stage.client()
    await client.send(get("/", "User-Agent: curl/8", "Cookie: secret"))
    await client.until(b"ok")
    assert (await logged.only()).headers == {b"user-agent": b"curl/8"}


async def test_what_finds_no_room_is_dropped_and_counted() -> None:
    written = Written(stuck=True)
    log = AccessLog(written, written.line, capacity=3)
    for number in range(2):
        log.record(entry_of(number))
    log.flush()
    for number in range(2, 5):
        log.record(entry_of(number))
    log.flush()
    assert [entry.target for entry in written.entries] == [b"/0", b"/1", b"/2"]
    assert (log.dropped, log.written) == (2, 0)


async def test_a_writer_that_is_no_longer_stuck_gets_what_comes_then() -> None:
    written = Written(stuck=True)
    log = AccessLog(written, written.line, capacity=1)
    log.record(entry_of(0))
    log.flush()
    log.record(entry_of(1))
    written._stuck = False
    log.record(entry_of(2))
    log.flush()
    assert [entry.target for entry in written.entries] == [b"/0", b"/2"]
    assert log.dropped == 1


async def test_entries_are_handed_over_by_themselves() -> None:
    written = Written()
    AccessLog(written, written.line).record(entry_of(0))
    await wait_until_async(lambda: written.entries)


async def test_what_was_noted_before_goes_to_the_old_file() -> None:
    written = Written()
    log = AccessLog(written, written.line)
    log.record(entry_of(0))
    log.reopen()
    assert (len(written.entries), written.orders) == (1, ["reopen"])
    log.record(entry_of(1))
    log.close()
    assert (len(written.entries), written.orders) == (2, ["reopen", "close"])
    await asyncio.sleep(0)


async def test_a_fault_in_composectl_is_reported_and_writing_goes_on() -> None:
    written = Written()
    log = AccessLog(written, _faulty_at_first(written.line))
    log.record(entry_of(0))
    log.record(entry_of(1))
    log.flush()
    assert [entry.target for entry in written.entries] == [b"/1"]
    assert log.dropped == 1
    assert log.last_error == "a fault in composectl: ZeroDivisionError()"


def _faulty_at_first(line: Callable[[AccessRecord], str]) -> Callable[[AccessRecord], str]:
    faults: list[Exception] = [ZeroDivisionError()]

    def made(entry: AccessRecord) -> str:
        if faults:
            raise faults.pop()
        return line(entry)

    return made


def entry_of(number: int) -> AccessRecord:
    return AccessRecord("echo", 80, "192.0.2.1", b"GET", b"/%d" % number, "1.1", b"", {})
