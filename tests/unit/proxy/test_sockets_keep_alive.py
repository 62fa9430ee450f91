"""A peer that is gone without a word is found out by the kernel."""

from __future__ import annotations

import asyncio
import socket

from composectl.proxy.sockets import give_up_soon, keep_alive
from tests.support.messages import GET
from tests.support.proxy_fixture import ProxyFixture


async def made() -> tuple[asyncio.WriteTransport, socket.socket]:
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    return writer.transport, writer.get_extra_info("socket")


def options(sock: socket.socket) -> tuple[int, int, int]:
    """Whether the kernel asks, after how many seconds of silence, and for how many milliseconds it resends."""
    return (
        sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
        sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
        sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
    )


async def test_h9_the_kernel_probes_whether_the_peer_is_there() -> None:
    transport, sock = await made()
    keep_alive(transport, idle=5)
    assert options(sock) == (1, 5, 0)
    transport.close()


async def test_h9_it_gives_up_soon_where_the_peer_may_be_gone() -> None:
    transport, sock = await made()
    give_up_soon(transport)
    assert options(sock) == (1, 1, 3000)
    transport.close()


async def test_h9_what_is_closed_already_is_left_alone() -> None:
    transport, _ = await made()
    transport.abort()
    await asyncio.sleep(0)
    give_up_soon(transport)
    assert transport.is_closing()


async def test_h9_a_request_in_flight_at_a_removed_backend_goes_on(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(GET)
    await backend.head()
    stage.pool.remove(stage.pool.backends[0].replica.key, "it left its network")
    stage.seconds_pass(2)
    await backend.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert (await client.until(b"ok")).startswith(b"HTTP/1.1 200 ")
