"""The proxy's end: what is in flight is finished, what is idle is closed, what takes too long is cut."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace

import pytest

from composectl.balance.backend import Backend
from composectl.balance.policy import Avoid, RoundRobin
from composectl.proxy.errors import BadMessage
from composectl.proxy.http1.client_connection import ClientConnection
from composectl.proxy.http1.request_parser import RequestParser
from tests.support.backends import answers
from tests.support.messages import GET, OK, get, status
from tests.support.proxy_fixture import OpenStage, ProxyFixture, is_in_a_head
from tests.support.raw_http import PATIENCE
from tests.support.wait import wait_until_async
from tests.unit.proxy.test_tunnel import opened


async def test_f10_requests_in_flight_finish_then_connections_close(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(GET)
    await backend.head()
    ending = asyncio.create_task(stage.shut_down())
    await wait_until_async(lambda: stage.phases() == ["draining"])
    await backend.send(OK)
    assert b"Connection: close\r\n" in await client.head()
    assert await client.rest() == b"ok"
    await asyncio.wait_for(ending, PATIENCE)
    assert stage.phases() == ["drained"]


async def test_f10_what_is_idle_is_closed_at_once(stage: ProxyFixture) -> None:
    stage.backend.play(answers(OK))
    client = await stage.client()
    await client.send(GET)
    await client.head()
    await client.exactly(2)
    await asyncio.wait_for(stage.shut_down(), PATIENCE)
    assert await client.rest() == b""


async def test_p2_what_takes_too_long_is_cut(open_stage: OpenStage) -> None:
    stage = await open_stage(drain_seconds=0.05)
    client, backend = await stage.ask(GET)
    await backend.head()
    await asyncio.wait_for(stage.shut_down(), PATIENCE)
    assert await client.rest() == b""
    await backend.rest()


async def test_p2_a_tunnel_is_cut_too(open_stage: OpenStage) -> None:
    stage = await open_stage(drain_seconds=0.05)
    client, backend = await opened(stage)
    await asyncio.wait_for(stage.shut_down(), PATIENCE)
    assert await client.rest() == b""
    assert await backend.rest() == b""


async def test_p2_a_request_may_take_longer_than_the_stop_grace_period(stage: ProxyFixture) -> None:
    stage.pool.sync([replace(stage.replica(0), stop_grace_period=0.0)])
    client, backend = await stage.ask(GET)
    await backend.head()
    ending = asyncio.create_task(stage.shut_down())
    await wait_until_async(lambda: stage.phases() == ["draining"])
    await backend.send(OK)
    await client.head()
    assert await client.rest() == b"ok"
    await asyncio.wait_for(ending, PATIENCE)


@pytest.mark.parametrize("request_", [GET, b"GET / HTTP/1.0\r\n\r\n"], ids=["1.1", "1.0"])
@pytest.mark.parametrize(
    "head",
    [b"", b"HTTP/1.0 200 OK\r\n\r\nhalf", b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf"],
    ids=["none", "until close", "length"],
)
async def test_p2_what_is_cut_does_not_look_whole_and_counts_as_failed(
    open_stage: OpenStage, request_: bytes, head: bytes
) -> None:
    stage = await open_stage(drain_seconds=0.05)
    client, backend = await stage.ask(request_)
    await backend.head()
    if head:
        await backend.send(head)
        await client.until(b"half")
    await asyncio.wait_for(stage.shut_down(), PATIENCE)
    assert await client.was_reset()
    assert dict(stage.pool.leases.failed_for) == {"cut": 1}
    assert stage.pool.leases.counters().failed == 1


async def test_one_backend_is_cut_and_no_other(open_stage: OpenStage) -> None:
    stage = await open_stage(backends=2)
    first, second = [await stage.client() for _ in range(2)]
    for client in (first, second):
        await client.send(GET)
    wires = [await backend.accept() for backend in stage.backends]
    for wire in wires:
        await wire.head()
    cut = next(backend for backend in stage.pool.backends if backend.replica.number == 1)
    stage.server.cut(cut)
    assert await first.was_reset()
    await wires[1].send(OK)
    await second.head()
    assert await second.exactly(2) == b"ok"
    assert (cut.failed, cut.in_flight) == (1, 0)


async def test_streams_are_left_to_a_backend_that_can_end_them(open_stage: OpenStage) -> None:
    stage = await open_stage()
    asked = [await stage.ask(GET) for _ in range(2)]
    heads = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    )
    asked.append(await stage.ask(get("/", "Connection: Upgrade", "Upgrade: websocket")))
    for (client, backend), head in zip(asked, heads, strict=True):
        await backend.head()
        await backend.send(head)
        await client.head()
    stage.server.cut(stage.pool.backends[0], spare_streams=True)
    (chunked, ends), (until_close, _), (websocket, other) = asked
    assert await until_close.was_reset()
    await ends.send(b"0\r\n\r\n")
    assert await chunked.until(b"0\r\n\r\n")
    await other.send(b"bye")
    assert await websocket.exactly(3) == b"bye"
    stage.server.cut(stage.pool.backends[0])
    assert await websocket.was_reset()


async def test_draining_gives_each_client_a_last_response(stage: ProxyFixture) -> None:
    stage.backend.play(answers(OK))
    client = await stage.client()
    await client.send(GET)
    assert b"Connection: close" not in await client.head()
    await client.exactly(2)
    parting = asyncio.create_task(stage.server.drain_connections(PATIENCE))
    await wait_until_async(lambda: is_the_last(stage))
    await client.send(GET)
    assert b"Connection: close" in await client.head()
    assert await client.rest() == b"ok"
    await asyncio.wait_for(parting, PATIENCE)


async def test_a_response_that_has_begun_is_not_the_last_one(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(GET)
    await backend.head()
    await backend.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
    assert b"Connection: close" not in await client.head()
    parting = asyncio.create_task(stage.server.drain_connections(PATIENCE))
    await asyncio.sleep(0)
    assert not is_the_last(stage)
    await backend.send(b"k")
    assert await client.exactly(2) == b"ok"
    await wait_until_async(lambda: is_the_last(stage))
    await client.send(GET)
    await backend.head()
    await backend.send(OK)
    assert b"Connection: close" in await client.head()
    assert await client.rest() == b"ok"
    await asyncio.wait_for(parting, PATIENCE)


async def test_no_client_is_accepted_any_more(stage: ProxyFixture) -> None:
    await stage.shut_down()
    with contextlib.suppress(ConnectionError):  # refused, or reset from the queue
        client = await stage.client()
        await client.send(GET)
        assert await client.rest() == b""


async def test_many_clients_at_once_are_all_answered(open_stage: OpenStage) -> None:
    stage = await open_stage(4)
    for backend in stage.backends:
        backend.play(answers(OK))
    clients = [await stage.client() for _ in range(150)]
    for number, client in enumerate(clients):
        await client.send(get(f"/{number}"))
    assert [status(await client.head()) for client in clients] == [200] * 150
    assert stage.pool.leases.requests == 150


async def test_d12_a_fault_of_ours_ends_one_connection_and_no_other(open_stage: OpenStage) -> None:
    faulty = Faulty()
    stage = await open_stage(policy=lambda: faulty)
    stage.backend.play(answers(OK))
    victim, other = await stage.client(), await stage.client()
    faulty.armed = True
    await victim.send(get("/secret"))
    answer = await victim.rest()
    assert status(answer) == 500
    assert b"X-Composectl-Error: internal-error\r\n" in answer
    assert not any(word in answer for word in (b"secret", b"Traceback", b"fault of ours"))
    faulty.armed = False
    await other.send(GET)
    assert status(await other.until(b"ok")) == 200
    assert [str(error["exception"]) for error in stage.errors] == ["a fault of ours"]
    stage.errors.clear()


async def test_d12_a_fault_over_a_pipelined_request_is_a_500_too(open_stage: OpenStage) -> None:
    faulty = Faulty()
    stage = await open_stage(policy=lambda: faulty)
    client, backend = await stage.ask(GET * 2)
    await backend.head()
    faulty.armed = True
    await backend.send(OK)
    assert status(await client.until(b"ok")) == 200
    assert status(await client.rest()) == 500
    assert [str(error["exception"]) for error in stage.errors] == ["a fault of ours"]
    stage.errors.clear()
    faulty.armed = False


@pytest.mark.interpreted
async def test_d12_a_fault_over_a_deadline_ends_no_other_deadline(
    stage: ProxyFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = [await stage.client() for _ in range(3)]
    for client in slow:
        await client.send(b"GET / HTTP/1.1\r\n")
    await wait_until_async(
        lambda: sum(is_in_a_head(connection) for connection in stage.server.context.connections) == 3
    )
    stage.seconds_pass(10)
    fails_once = iter([ZeroDivisionError("a fault of ours")])
    reject = RequestParser.reject

    def reject_or_fail(reader: RequestParser, rejection: BadMessage) -> None:
        for fault in fails_once:
            raise fault
        reject(reader, rejection)

    monkeypatch.setattr(RequestParser, "reject", reject_or_fail)
    stage.seconds_pass(2)
    assert [status(await client.head()) for client in slow] == [408] * 3
    assert [type(error["exception"]) for error in stage.errors] == [ZeroDivisionError]
    stage.errors.clear()


class Faulty(RoundRobin):
    armed = False

    def acquire(self, avoid: Avoid = (), key: str = "") -> Backend | None:
        if self.armed:
            raise RuntimeError("a fault of ours")
        return super().acquire(avoid, key)


@pytest.mark.interpreted
@pytest.mark.parametrize("place", ["encode_response", "last_chunk"])
async def test_d12_a_fault_over_an_answer_is_told_and_is_a_500(
    stage: ProxyFixture, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(f"composectl.proxy.http1.client_connection.{place}", fails)
    stage.backend.play(answers(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"))
    client = await stage.client()
    await client.send(GET)
    assert status(await client.until(b"500 Internal Server Error\n")) == 500
    assert [type(error["exception"]) for error in stage.errors] == [ZeroDivisionError]
    stage.errors.clear()
    monkeypatch.undo()
    await client.send(GET)
    assert status(await client.until(b"0\r\n\r\n")) == 200


def is_the_last(stage: ProxyFixture) -> bool:
    """Whether no client's connection takes more than one further request."""
    return all(
        connection.closing
        for connection in stage.server.context.connections
        if isinstance(connection, ClientConnection)
    )
