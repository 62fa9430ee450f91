"""The connection limit: at the limit no client is accepted before one ends, or idle ones make room for it."""

from __future__ import annotations

import resource

import pytest

from composectl.errors import ComposectlError
from composectl.proxy.limits import ConnectionLimit
from composectl.proxy.listener import make_connection_limit
from tests.support.backends import answers
from tests.support.messages import GET, OK, status
from tests.support.proxy_fixture import OpenStage, ProxyFixture
from tests.support.raw_http import RawConnection
from tests.support.wait import wait_until_async
from tests.unit.proxy.test_tunnel import opened


async def is_answered(client: RawConnection) -> bool:
    await client.send(GET)
    return status(await client.until(b"ok")) == 200


async def full(open_stage: OpenStage, limit: int) -> tuple[ProxyFixture, list[RawConnection]]:
    """A stage with as many clients as it may have."""
    stage = await open_stage(connection_limit=ConnectionLimit(limit))
    stage.backend.play(answers(OK))
    clients = [await stage.client() for _ in range(limit)]
    assert all([await is_answered(client) for client in clients])
    return stage, clients


async def test_p14_at_the_limit_no_client_is_accepted_until_one_ends(open_stage: OpenStage) -> None:
    stage, clients = await full(open_stage, 3)
    waiting = [await stage.client() for _ in range(2)]
    for client in waiting:
        await client.send(GET)
    assert all([await is_answered(client) for client in clients])
    assert stage.server.connection_limit.count == 3
    assert all(client.silent() for client in waiting)
    clients[0].close()
    assert status(await waiting[0].until(b"ok")) == 200
    assert waiting[1].silent()
    clients[1].close()
    assert status(await waiting[1].until(b"ok")) == 200


async def test_p14_the_limit_may_be_met_again_and_again(open_stage: OpenStage) -> None:
    stage, (client,) = await full(open_stage, 1)
    for _ in range(20):
        following = await stage.client()
        await following.send(GET)
        client.close()
        assert status(await following.until(b"ok")) == 200
        client = following


async def test_p14_a_tunnel_is_a_connection_until_it_ends(open_stage: OpenStage) -> None:
    stage = await open_stage(connection_limit=ConnectionLimit(1))
    client, backend = await opened(stage)
    waiting = await stage.client()
    await waiting.send(GET)
    await client.send(b"ping")
    await backend.exactly(4)
    assert stage.server.connection_limit.count == 1
    client.close()
    await backend.rest()
    stage.backend.play(answers(OK))
    assert status(await waiting.until(b"ok")) == 200


async def test_p14_a_client_over_the_limit_is_let_go_at_the_end(open_stage: OpenStage) -> None:
    stage, _ = await full(open_stage, 1)
    waiting = await stage.client()
    await stage.shut_down()
    assert await waiting.rest() == b""
    await wait_until_async(lambda: stage.server.connection_limit.count == 0)


def test_p14_the_limit_comes_from_the_open_files() -> None:
    for_all_at_once = make_connection_limit().limit
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft == hard
    assert 0 < for_all_at_once < hard / 2


def test_p14_the_limit_can_be_raised_to_what_open_files_allow() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = hard - hard // 8 - 128
    assert make_connection_limit(most).limit == most > make_connection_limit().limit
    with pytest.raises(ComposectlError, match=f"`--max-connections {most + 1}` exceeds .* which allows {most}"):
        make_connection_limit(most + 1)


async def test_p14_a_rush_at_the_gate_brings_in_few_too_many(open_stage: OpenStage) -> None:
    stage = await open_stage(connection_limit=ConnectionLimit(4))
    stage.backend.play(answers(OK))
    crowd = [await stage.client() for _ in range(200)]
    for client in crowd:
        await client.send(GET)
    for client in crowd:
        assert status(await client.until(b"ok")) == 200
        assert stage.server.connection_limit.count <= 4 + 16
        client.close()
    await wait_until_async(lambda: stage.server.connection_limit.count == 0)


# At the limit, idle clients make room


async def test_p14_clients_that_never_sent_a_byte_make_room_at_once(open_stage: OpenStage) -> None:
    stage = await open_stage(connection_limit=ConnectionLimit(3))
    stage.backend.play(answers(OK))
    silent = [await stage.client() for _ in range(3)]
    await wait_until_async(lambda: stage.server.connection_limit.count == 3)
    stage.seconds_pass(2)
    for left in range(2, -1, -1):
        client = await stage.client()
        assert await is_answered(client)
        assert sum(other.silent() for other in silent) == left


async def test_p14_the_longest_idle_makes_room_first(open_stage: OpenStage) -> None:
    stage = await open_stage(connection_limit=ConnectionLimit(4))
    stage.backend.play(answers(OK))
    clients = []
    for _ in range(3):
        clients.append(await stage.client())
        assert await is_answered(clients[-1])
        stage.seconds_pass(2)
    never = await stage.client()
    await wait_until_async(lambda: stage.server.connection_limit.count == 4)
    stage.seconds_pass(2)
    for made_room in (never, *clients):
        assert await is_answered(await stage.client())
        assert await made_room.rest() == b""


async def test_p14_who_is_served_or_came_just_now_makes_no_room(open_stage: OpenStage) -> None:
    stage = await open_stage(connection_limit=ConnectionLimit(3))
    client, backend = await stage.ask(GET)
    await backend.head()
    tunnel, _ = await opened(stage)
    stage.seconds_pass(100)
    late = await stage.client()
    await wait_until_async(lambda: stage.server.connection_limit.count == 3)
    stage.seconds_pass(1)
    waiting = await stage.client()
    await waiting.send(GET)
    await backend.send(OK)
    await client.until(b"ok")
    assert client.silent()
    assert tunnel.silent()
    assert late.silent()
    assert waiting.silent()
    stage.seconds_pass(2)
    await backend.head()
    assert await late.rest() == b""


async def test_p14_idle_clients_stay_while_none_waits(open_stage: OpenStage) -> None:
    stage, clients = await full(open_stage, 3)
    stage.seconds_pass(70)
    assert all([await is_answered(client) for client in clients])


async def test_p14_a_client_that_is_done_makes_room_for_others(open_stage: OpenStage) -> None:
    """It has had its last response, and does not close."""
    stage = await open_stage(connection_limit=ConnectionLimit(1))
    stage.backend.play(answers(OK))
    done = await stage.client()
    await done.send(b"GET / HTTP/1.1\r\nX: no host\r\n\r\n")
    assert status(await done.rest()) == 400
    stage.seconds_pass(2)
    assert await is_answered(await stage.client())


async def test_p14_a_client_that_stops_within_a_head_makes_room_after_all_others(open_stage: OpenStage) -> None:
    stage = await open_stage(connection_limit=ConnectionLimit(2))
    stage.backend.play(answers(OK))
    slow, idle = await stage.client(), await stage.client()
    await slow.send(GET[:-2])
    assert await is_answered(idle)
    stage.seconds_pass(2)
    for made_room in (idle, slow):
        assert await is_answered(await stage.client())
        assert await made_room.rest() == b""
