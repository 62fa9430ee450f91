"""Without a free descriptor no open connection is harmed, and all goes on once there are some again."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from tests.support.backends import answers
from tests.support.descriptors import exhausted, in_use
from tests.support.messages import GET, OK, post, status
from tests.support.proxy_fixture import OpenStage, ProxyFixture
from tests.support.raw_http import PATIENCE, RawConnection
from tests.support.wait import wait_until_async

LOOK_SECONDS = 0.05


async def cpu_seconds_in(seconds: float) -> float:
    """How much of its time on the wall this process uses up, while the loop has nothing to do."""
    used, over = time.process_time(), asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, over.set)
    await over.wait()
    return time.process_time() - used


def unconnected() -> socket.socket:
    sock = socket.socket()
    sock.setblocking(False)
    return sock


async def connected(sock: socket.socket, stage: ProxyFixture) -> RawConnection:
    async with asyncio.timeout(PATIENCE):
        await asyncio.get_running_loop().sock_connect(sock, stage.address)
    return RawConnection(sock)


async def served(stage: ProxyFixture) -> RawConnection:
    """A client that has been served, and whose backend's connection is kept."""
    client = await stage.client()
    await client.send(GET)
    assert status(await client.until(b"ok")) == 200
    return client


async def test_d11_without_descriptors_only_new_clients_wait(stage: ProxyFixture) -> None:
    stage.backend.play(answers(OK))
    inside, latecomer, later = await served(stage), unconnected(), unconnected()
    with exhausted():
        await connected(latecomer, stage)
        await inside.send(GET)
        assert status(await inside.until(b"ok")) == 200
    latecomer.close()
    after = await connected(later, stage)
    await after.send(GET)
    assert status(await after.until(b"ok")) == 200
    later.close()
    stage.errors.clear()  # plain asyncio tells of each that it could not accept


async def test_d11_no_time_is_wasted_on_trying(stage: ProxyFixture) -> None:
    stage.backend.play(answers(OK))
    await served(stage)
    latecomers = [unconnected() for _ in range(10)]
    with exhausted():
        for latecomer in latecomers:
            await connected(latecomer, stage)
        # Something else may take its time in one look, whatever tries again and again does in all of them.
        assert min([await cpu_seconds_in(LOOK_SECONDS) for _ in range(6)]) < LOOK_SECONDS / 2
    for latecomer in latecomers:
        latecomer.close()
    await served(stage)
    stage.errors.clear()


async def test_d11_want_of_descriptors_does_not_eject_a_backend(stage: ProxyFixture) -> None:
    client = await stage.client()
    await wait_until_async(lambda: stage.server.connection_limit.count)
    with exhausted():
        await client.send(post(b"hello"))
        head = await client.head()
    assert status(head) == 503
    assert b"X-Composectl-Error: too-many-open-files\r\n" in head
    assert b"Retry-After: 1\r\n" in head
    assert stage.phases() == ["ready"]
    assert not stage.changes[1:]
    stage.backend.play(answers(OK))
    await client.until(b"Unavailable\n")
    await client.send(post(b"hello"))
    assert status(await client.until(b"ok")) == 200


async def test_d11_kept_connections_are_bounded_by_the_open_files(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = await open_stage(2)
    monkeypatch.setattr(stage.connections, "_most", 8)
    # Backends that close early get each POST on a connection of its own.
    monkeypatch.setattr(stage.connections, "_early_closed", dict.fromkeys(stage.pool.backends, 0))
    for backend in stage.backends:
        backend.play(answers(OK))
    client = await stage.client()
    for _ in range(40):
        await client.send(post(b"hello"))
        assert status(await client.until(b"ok")) == 200
    assert sum(map(len, stage.connections._kept.values())) == 8


async def test_f8_clients_that_come_and_go_leave_nothing_behind(stage: ProxyFixture) -> None:
    stage.backend.play(answers(OK))
    stays = await served(stage)
    before = in_use()
    for number in range(1500):
        client = await stage.client()
        await client.send(GET)
        assert status(await client.until(b"ok")) == 200
        client.reset() if number % 3 else client.close()
    await wait_until_async(lambda: len(stage.server.context.connections) == 1)
    await wait_until_async(lambda: in_use() <= before)
    stays.close()
