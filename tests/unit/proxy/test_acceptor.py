"""Accepting clients without the loop's own server."""

from __future__ import annotations

import socket

from tests.support.backends import answers
from tests.support.messages import GET, OK, status
from tests.support.proxy_fixture import OpenStage, ProxyFixture
from tests.support.wait import wait_until_async


async def test_a_rush_of_clients_is_accepted_whole(stage: ProxyFixture) -> None:
    stage.backend.play(answers(OK))
    clients = [await stage.client() for _ in range(100)]
    for client in clients:
        await client.send(GET)
    for client in clients:
        assert status(await client.until(b"ok")) == 200
    assert stage.server.connection_limit.count == 100


async def test_clients_get_what_is_written_at_once(open_stage: OpenStage) -> None:
    stage = await open_stage()
    await stage.client()
    await wait_until_async(lambda: stage.server.context.connections)
    (connection,) = stage.server.context.connections
    sock = connection.transport.get_extra_info("socket")  # type: ignore[attr-defined]
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_no_client_is_accepted_once_it_has_stopped(stage: ProxyFixture) -> None:
    stage.backend.play(answers(OK))
    late = socket.create_connection(stage.address)
    (listener,) = stage._runner.sites
    await listener.stop()
    assert stage.server.connection_limit.count == 0
    late.close()
