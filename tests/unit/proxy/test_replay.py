"""What is kept of requests for another attempt, and for how long."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from composectl.proxy.replay import ReplayLimit
from tests.support.messages import GET, OK, put, status
from tests.support.proxy_fixture import OpenStage, ProxyFixture
from tests.support.raw_http import RawConnection


async def test_p3_what_exceeds_the_limit_of_all_requests_is_not_sent_again(open_stage: OpenStage) -> None:
    stage = await open_stage(2, replay=ReplayLimit(8))
    clients = [await stage.client() for _ in range(2)]
    wires = []
    for client, backend in zip(clients, stage.backends, strict=True):
        await client.send(put(b"hello"))
        wires.append(await backend.accept())
        await wires[-1].until(b"hello")
    assert stage.server.upstreams.http1.replay.kept == 5
    for wire in wires:
        wire.close()
    again = await stage.backends[1].accept()
    await again.until(b"hello")
    await again.send(OK)
    assert [status(await client.head()) for client in clients] == [200, 502]
    assert stage.server.upstreams.http1.replay.kept == 0


async def ends_with_a_response(client: RawConnection, backend: RawConnection) -> None:
    await backend.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    await client.head()


async def ends_with_the_backend(client: RawConnection, backend: RawConnection) -> None:
    await backend.send(b"nonsense\r\n\r\n")
    assert status(await client.head()) == 502


async def ends_with_the_client(client: RawConnection, backend: RawConnection) -> None:
    client.close()
    await backend.rest()


@pytest.mark.parametrize("end", [ends_with_a_response, ends_with_the_backend, ends_with_the_client])
async def test_p3_what_is_kept_of_a_request_is_freed(
    stage: ProxyFixture, end: Callable[[RawConnection, RawConnection], Awaitable[None]]
) -> None:
    client, backend = await stage.ask(put(b"hello"))
    await backend.until(b"hello")
    assert stage.server.upstreams.http1.replay.kept == 5
    await end(client, backend)
    assert stage.server.upstreams.http1.replay.kept == 0


async def test_p3_an_upload_beyond_the_limit_of_all_requests_stays_on_its_connection(open_stage: OpenStage) -> None:
    """On a kept connection, too, where the backend says something meanwhile."""
    stage = await open_stage(replay=ReplayLimit(3))
    client, backend = await stage.ask(GET)
    await backend.head()
    await backend.send(OK)
    await client.until(b"ok")
    await client.send(put(b"hello world").removesuffix(b" world"))
    await backend.until(b"hello")
    await backend.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    await client.send(b" world")
    assert await backend.exactly(6) == b" world"
    await backend.send(OK)
    assert status(await client.until(b"ok")) == 103
    assert len(stage.backend.wires) == 1
