"""`X-Composectl-Replica`: of clients, which choose a replica by it, and of the proxy, which tells replicas theirs."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from composectl.balance.sessions import TokenSessions
from composectl.proxy.limits import Limits, QueueConfig
from composectl.proxy.session_fields import OwnCookie
from tests.support.backends import answers
from tests.support.http2_backend import OK as OK_FIELDS
from tests.support.http2_backend import Asked, Http2Wire, speaks_http2
from tests.support.http2_client import GET as GET_FIELDS
from tests.support.http2_client import POST as POST_FIELDS
from tests.support.http2_stage import http2
from tests.support.messages import GET, OK, get, status
from tests.support.proxy_fixture import OpenStage, ProxyFixture

PINS = Limits(allow_pin=True)


async def open_pinning(open_stage: OpenStage, limits: Limits = PINS, **how: object) -> ProxyFixture:
    stage = await open_stage(3, limits=limits, **how)
    for backend in stage.backends:
        backend.play(answers(OK))
    return stage


async def head_for(stage: ProxyFixture, *lines: str) -> bytes:
    client = await stage.client()
    await client.send(get("/", *lines))
    head = await client.head()
    client.close()
    return head


def backend_in(head: bytes) -> str:
    assert status(head) == 200, head
    return head.partition(b"X-Internal-Service: ")[2].partition(b"\r\n")[0].decode()


# Of clients


@pytest.mark.parametrize(
    "line",
    [
        "X-Composectl-Replica: 3",
        "x-composectl-error: no",
        "X_Composectl_Replica: 3",
        "X-Composectl_Anything: 1",
        "X-COMPOSECTL-: 1",
    ],
)
async def test_a31_a_client_s_own_x_composectl_never_reaches_a_backend(open_stage: OpenStage, line: str) -> None:
    for limits in (Limits(), PINS) if "-Replica" not in line else (Limits(),):
        stage = await open_stage(1, limits=limits)
        _, backend = await stage.ask(get("/", line, "X-Composect: 1", "X-Composectlly: 2", "X-End: 3"))
        head = await backend.head()
        assert line.partition(":")[0].lower().encode() not in head.lower()
        assert b"\r\nX-Composect: 1\r\nX-Composectlly: 2\r\nX-End: 3\r\n" in head


async def test_a31_nor_does_it_in_http_2_or_as_a_trailer(open_stage: OpenStage) -> None:
    stage = await open_stage(1)
    heard: list[Asked] = []

    async def script(wire: Http2Wire) -> None:
        heard.append(await wire.request())
        await wire.answer(heard[0].stream_id, OK_FIELDS, b"ok")

    stage.backend.play(speaks_http2(script))
    client = await http2(stage)
    stream = await client.open([*POST_FIELDS, (b"x-composectl-replica", b"3"), (b"x-composectl-note", b"1")])
    client.connection.send_data(stream, b"body")
    client.connection.send_headers(stream, [(b"x-composectl-note", b"1"), (b"x-end", b"2")], end_stream=True)
    await client.flush()
    await client.until_over(stream)
    assert not [name for name in heard[0].fields if name.startswith(b"x-composectl")]
    assert heard[0].trailers == {b"x-end": b"2"}


async def test_a_backend_s_own_x_composectl_never_reaches_a_client(open_stage: OpenStage) -> None:
    stage = await open_stage(1)
    stage.backend.play(answers(OK.replace(b"Content-Length", b"X-Composectl-Replica: 9\r\nContent-Length")))
    assert b"X-Composectl" not in await head_for(stage)


@pytest.mark.parametrize("number", [1, 2, 3])
async def test_a_request_goes_to_the_replica_that_it_names(open_stage: OpenStage, number: int) -> None:
    stage = await open_pinning(open_stage)
    for _ in range(4):
        head = await head_for(stage, f"X-Composectl-Replica: {number}")
        assert backend_in(head) == stage.backends[number - 1].address


async def test_without_the_option_the_field_chooses_nothing(open_stage: OpenStage) -> None:
    stage = await open_pinning(open_stage, Limits())
    assert len({backend_in(await head_for(stage, "X-Composectl-Replica: 2")) for _ in range(3)}) == 3


async def test_a_replica_in_maintenance_can_be_tried_out(open_stage: OpenStage) -> None:
    stage = await open_pinning(open_stage)
    stage.pool.disable(stage.replica(1).id, "the test says so")
    assert backend_in(await head_for(stage, "X-Composectl-Replica: 2")) == stage.backends[1].address
    assert stage.pool.backends[1].in_flight == 0


@pytest.mark.parametrize("queue", [QueueConfig(0), QueueConfig(30, 10)])
async def test_one_that_is_not_there_is_told(open_stage: OpenStage, queue: QueueConfig) -> None:
    stage = await open_pinning(open_stage, queue=queue)
    stage.leave(1)
    for number in (2, 4, 0):
        head = await head_for(stage, f"X-Composectl-Replica: {number}")
        assert (status(head), b"X-Composectl-Error: no-such-replica\r\n" in head) == (503, True)
    assert stage.pool.leases.failed_for["no-such-replica"] == 3


async def test_one_that_refuses_is_told_and_no_other_gets_the_request(open_stage: OpenStage) -> None:
    stage = await open_pinning(open_stage)
    await stage.backends[1].die()
    head = await head_for(stage, "X-Composectl-Replica: 2")
    assert (status(head), b"X-Composectl-Error: backend-unreachable\r\n" in head) == (502, True)


@pytest.mark.parametrize("number", ["", "x", "-1", "1.5", "1, 2", "9" * 10, "\xb2"])
async def test_what_is_no_number_of_a_replica_is_refused(open_stage: OpenStage, number: str) -> None:
    stage = await open_pinning(open_stage)
    head = await head_for(stage, f"X-Composectl-Replica: {number}")
    if number:
        assert (status(head), b"X-Composectl-Error: bad-pin\r\n" in head) == (400, True)
    else:
        assert status(head) == 200


@pytest.mark.parametrize(
    "forwarded",
    [
        "X-Forwarded-For: 1.2.3.4",
        "Forwarded: for=1.2.3.4",
        "X-Real-IP: 1.2.3.4",
        "x-forwarded-proto: http",
        "Via: 1.1 a",
    ],
)
async def test_what_a_proxy_forwards_chooses_nothing(open_stage: OpenStage, forwarded: str) -> None:
    stage = await open_pinning(open_stage)
    head = await head_for(stage, "X-Composectl-Replica: 2", forwarded)
    assert (status(head), b"X-Composectl-Error: pin-refused\r\n" in head) == (403, True)
    assert status(await head_for(stage, forwarded)) == 200


async def test_another_client_chooses_nothing(open_stage: OpenStage) -> None:
    limits = Limits(allow_pin=True, accept_proxy_protocol=True, trusted_proxies=(ip_network("127.0.0.0/8"),))
    stage = await open_pinning(open_stage, limits)
    for address, answer in (("198.51.100.7", 403), ("127.0.0.9", 200)):
        client = await stage.client()
        pinned = get("/", "X-Composectl-Replica: 2")
        await client.send(f"PROXY TCP4 {address} 127.0.0.1 4711 80\r\n".encode() + pinned)
        assert status(await client.head()) == answer


async def test_a_trusted_network_may_choose(open_stage: OpenStage) -> None:
    networks = (ip_network("127.0.0.1"), ip_network("192.0.2.0/24"))
    limits = Limits(allow_pin=True, accept_proxy_protocol=True, trusted_proxies=networks)
    stage = await open_pinning(open_stage, limits)
    client = await stage.client()
    await client.send(b"PROXY TCP4 192.0.2.9 127.0.0.1 4711 80\r\n" + get("/", "X-Composectl-Replica: 2"))
    assert backend_in(await client.head()) == stage.backends[1].address


async def test_a_stream_goes_to_the_replica_that_it_names(open_stage: OpenStage) -> None:
    stage = await open_pinning(open_stage)
    client = await http2(stage)
    for number in (1, 2, 3, 2, 2):
        heard = await client.answer([*GET_FIELDS, (b"x-composectl-replica", b"%d" % number)])
        assert heard.fields[b"x-internal-service"].decode() == stage.backends[number - 1].address


async def test_a_pin_beats_a_session_and_leaves_it_alone(open_stage: OpenStage) -> None:
    stage = await open_pinning(open_stage, session_fields=OwnCookie(TokenSessions(b"k" * 32, 30), b"visit"))
    head = await head_for(stage, "X-Composectl-Replica: 2")
    assert backend_in(head) == stage.backends[1].address
    assert b"Set-Cookie" not in head


# To backends


async def test_each_replica_is_told_its_number(open_stage: OpenStage) -> None:
    stage = await open_stage(3, tell_number=True)
    for number, backend in enumerate(stage.backends, 1):
        client = await stage.client()
        await client.send(get("/", "X-Composectl-Replica: 7"))
        wire = await backend.accept()
        head = await wire.head()
        assert head.lower().count(b"x-composectl-replica") == 1
        assert head.endswith(b"\r\nX-Composectl-Replica: %d\r\n\r\n" % number)
        await wire.send(OK)
        assert b"X-Composectl" not in await client.head()


async def test_a_body_follows_the_number(open_stage: OpenStage) -> None:
    stage = await open_stage(1, tell_number=True)
    _, wire = await stage.ask(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
    assert (await wire.head()).endswith(b"X-Composectl-Replica: 1\r\n\r\n")
    assert await wire.exactly(4) == b"body"


async def test_a_backend_of_http_2_is_told_with_each_stream(open_stage: OpenStage) -> None:
    stage = await open_stage(1, tell_number=True)
    told = []

    async def script(wire: Http2Wire) -> None:
        for number in range(3):
            asked = await wire.request(number)
            told.append(dict(asked.fields)[b"x-composectl-replica"])
            await wire.answer(asked.stream_id, OK_FIELDS, b"ok")

    stage.backend.play(speaks_http2(script))
    client = await http2(stage)
    for _ in range(3):
        assert (await client.answer(GET_FIELDS)).status == 200
    assert told == [b"1"] * 3


async def test_without_the_option_nothing_is_told(open_stage: OpenStage) -> None:
    stage = await open_stage(1)
    _, wire = await stage.ask(GET)
    assert b"X-Composectl" not in await wire.head()
