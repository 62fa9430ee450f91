"""The library `websockets` at both ends: through the proxy everything is as it is without it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from tests.support.proxy_process import Workspace

SIZES = (0, 1, 125, 126, 127, 65535, 65536, 1_000_000)
Story = Callable[[str], Awaitable[object]]
LOG = logging.getLogger("websockets.silent")
LOG.setLevel(logging.CRITICAL)


async def echo(connection: ServerConnection) -> None:
    """Give back what comes, in as many fragments; some words are orders."""
    async for message in connection:
        if message == "close":
            await connection.close(4321, "as you wish \N{WAVING HAND SIGN}")
        elif message == "vanish":
            connection.transport.abort()
        elif message == "pieces":
            await connection.send(piece for piece in ("in ", "", "three ", "pieces"))
        else:
            await connection.send(message)


async def guard(connection: ServerConnection, request: Request) -> Response | None:
    return connection.respond(403, "not you\n") if request.path == "/forbidden" else None


def choose(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return offered[-1] if offered else None


@contextlib.asynccontextmanager
async def echoing() -> AsyncIterator[str]:
    how = {"process_request": guard, "select_subprotocol": choose, "max_size": None, "logger": LOG}
    async with serve(echo, "127.0.0.1", 0, **how) as server:  # type: ignore[arg-type]
        yield "{}:{}".format(*server.sockets[0].getsockname())


@contextlib.asynccontextmanager
async def proxy_before(address: str, place: Workspace) -> AsyncIterator[str]:
    proxy = await asyncio.to_thread(place.starts, "--listen", "127.0.0.1:0", "--backend", address)
    yield f"ws://127.0.0.1:{proxy.port}"
    _, _, complaints = await asyncio.to_thread(proxy.ends_by, signal.SIGTERM)
    assert not complaints


# What a client sees


async def messages_of_all_sizes(url: str) -> object:
    async with connect(url, max_size=None) as client:
        return [await turned_round(client, kind * size) for size in SIZES for kind in ("\N{SNOWMAN}", b"\xff")]


async def messages_that_are_not_compressed(url: str) -> object:
    async with connect(url, max_size=None, compression=None) as client:
        return [await turned_round(client, b"x" * size) for size in SIZES], client.protocol.extensions


async def fragments(url: str) -> object:
    async with connect(url) as client:
        await client.send(piece for piece in (b"a", b"", b"bc"))
        whole = await client.recv()
        await client.send("pieces")
        return whole, [piece async for piece in client.recv_streaming()]


async def pings(url: str) -> object:
    async with connect(url) as client:
        pongs = [await client.ping(data) for data in (b"", b"x" * 125)]
        return [await asyncio.wait_for(pong, 60) > 0 for pong in pongs]


async def a_close_by_the_client(url: str) -> object:
    async with connect(url) as client:
        await client.close(3999, "enough")
        return client.close_code, client.close_reason


async def a_close_by_the_server(url: str) -> object:
    return await told_by("close", url)


async def a_server_that_vanishes(url: str) -> object:
    return await told_by("vanish", url)


async def a_protocol_that_both_speak(url: str) -> object:
    async with connect(url, subprotocols=[Subprotocol("morse"), Subprotocol("chat")]) as client:
        return client.subprotocol, sorted(str(extension) for extension in client.protocol.extensions)


async def a_path_with_odd_letters(url: str) -> object:
    async with connect(f"{url}/a%2Fb//c?x=%zz&y") as client:
        assert client.request
        return client.request.path


async def a_refusal(url: str) -> object:
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{url}/forbidden")
    response = refused.value.response
    return response.status_code, response.body


STORIES: list[Story] = [
    *(messages_of_all_sizes, messages_that_are_not_compressed, fragments, pings, a_close_by_the_client),
    *(a_close_by_the_server, a_server_that_vanishes, a_protocol_that_both_speak, a_path_with_odd_letters, a_refusal),
]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_g2_a_websocket_is_as_it_is_without_us(place: Workspace, story: Story) -> None:
    async with echoing() as address, proxy_before(address, place) as url:
        assert await story(url) == await story(f"ws://{address}")


async def test_f5_a_hundred_and_twenty_talk_at_once(place: Workspace) -> None:
    async with echoing() as address, proxy_before(address, place) as url, contextlib.AsyncExitStack() as all_of_them:
        clients = [await all_of_them.enter_async_context(connect(url)) for _ in range(120)]
        for turn in range(3):
            said = [f"{turn} of {number}" for number in range(120)]
            assert await asyncio.gather(*map(turned_round, clients, said)) == said


async def turned_round(client: ClientConnection, message: str | bytes) -> str | bytes:
    await client.send(message)
    return await client.recv()


async def told_by(order: str, url: str) -> object:
    async with connect(url) as client:
        await client.send(order)
        with pytest.raises(ConnectionClosed):
            await client.recv()
        return client.close_code, client.close_reason
