"""A transport that reads and writes its socket itself behaves as one of the loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from composectl.proxy.poller import CAN_POLL, poller
from composectl.proxy.socket_transport import SocketTransport
from tests.support.raw_http import PATIENCE
from tests.support.wait import wait_until_async

MANY = bytes(range(256)) * 16_384  # 4 MiB, more than the kernel takes at once


class Recorder(asyncio.Protocol):
    """What it was told; `keeps_open`: its answer to an end."""

    def __init__(self) -> None:
        self.received = b""
        self.told: list[str] = []
        self.lost: list[Exception | None] = []
        self.keeps_open = False
        self.fails: Exception | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.told.append("made")

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self.fails is not None:
            raise self.fails

    def eof_received(self) -> bool:
        self.told.append("eof")
        return self.keeps_open

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.append(error)


class Wire:
    """A transport with its protocol, and the other side, which does not block."""

    def __init__(self) -> None:
        here, self.there = socket.socketpair()
        for side in (here, self.there):
            side.setblocking(False)
        self.protocol = Recorder()
        self.transport = SocketTransport(poller(), here.detach(), ("192.0.2.1", 80))
        self.transport.begin(self.protocol)

    async def taken(self, size: int) -> bytes:
        """So many bytes that the other side gets; fewer where there is an end."""
        loop, parts, left = asyncio.get_running_loop(), [], size
        async with asyncio.timeout(PATIENCE):
            while left and (part := await loop.sock_recv(self.there, left)):
                parts.append(part)
                left -= len(part)
        return b"".join(parts)

    async def is_lost(self) -> None:
        await wait_until_async(lambda: self.protocol.lost)


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    if not CAN_POLL:
        pytest.fail("there is no epoll")
    made = Wire()
    yield made
    made.there.close()
    made.transport.abort()
    await made.is_lost()


async def test_what_comes_is_read_and_what_is_written_arrives(wire: Wire) -> None:
    wire.there.send(b"ping")
    await wait_until_async(lambda: wire.protocol.received == b"ping")
    wire.transport.write(b"po")
    wire.transport.writelines([b"n", b"g"])
    assert await wire.taken(4) == b"pong"
    assert wire.transport.get_extra_info("peername") == ("192.0.2.1", 80)
    assert wire.transport.get_extra_info("sslcontext") is None


async def test_more_than_one_read_holds_comes_whole(wire: Wire) -> None:
    sending = asyncio.create_task(asyncio.get_running_loop().sock_sendall(wire.there, MANY))
    await wait_until_async(lambda: len(wire.protocol.received) == len(MANY))
    await sending
    assert wire.protocol.received == MANY


@pytest.mark.parametrize("in_lines", [False, True])
async def test_what_the_kernel_does_not_take_waits_and_pauses_the_protocol(wire: Wire, in_lines: bool) -> None:
    if in_lines:
        wire.transport.writelines([MANY[:1000], MANY[1000:]])
    else:
        wire.transport.write(MANY)
    wire.transport.write(b"the end")
    assert 0 < wire.transport.get_write_buffer_size() < len(MANY) + 7
    assert wire.protocol.told == ["made", "pause"]
    assert await wire.taken(len(MANY) + 7) == MANY + b"the end"
    await wait_until_async(lambda: wire.protocol.told == ["made", "pause", "resume"])
    assert wire.transport.get_write_buffer_size() == 0


async def test_with_a_limit_of_nothing_the_protocol_goes_on_once_all_is_written(wire: Wire) -> None:
    wire.transport.write(MANY)
    wire.transport.set_write_buffer_limits(high=0)
    await wire.taken(len(MANY))
    await wait_until_async(lambda: wire.protocol.told[-1] == "resume")
    assert wire.transport.get_write_buffer_size() == 0


async def test_nothing_is_read_while_reading_pauses(wire: Wire) -> None:
    wire.transport.pause_reading()
    wire.there.send(b"later")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (wire.protocol.received, wire.transport.is_reading()) == (b"", False)
    wire.transport.resume_reading()
    await wait_until_async(lambda: wire.protocol.received == b"later")


async def test_an_end_closes_it_unless_the_protocol_goes_on(wire: Wire) -> None:
    wire.there.send(b"last")
    wire.there.shutdown(socket.SHUT_WR)
    await wire.is_lost()
    assert (wire.protocol.received, wire.protocol.told, wire.protocol.lost) == (b"last", ["made", "eof"], [None])
    assert await wire.taken(1) == b""


async def test_after_an_end_more_may_be_written(wire: Wire) -> None:
    wire.protocol.keeps_open = True
    wire.there.shutdown(socket.SHUT_WR)
    await wait_until_async(lambda: wire.protocol.told == ["made", "eof"])
    wire.transport.write(MANY)
    assert await wire.taken(len(MANY)) == MANY
    assert wire.protocol.told.count("eof") == 1


@pytest.mark.parametrize("message", [b"bye", MANY])
async def test_closing_and_ending_the_own_direction_wait_for_what_is_written(wire: Wire, message: bytes) -> None:
    wire.transport.write(message)
    wire.transport.write_eof()
    assert await wire.taken(len(message) + 1) == message
    assert not wire.protocol.lost


async def test_it_is_closed_once_all_is_written(wire: Wire) -> None:
    wire.transport.write(MANY)
    wire.transport.close()
    assert wire.transport.is_closing()
    assert not wire.protocol.lost
    assert await wire.taken(len(MANY) + 1) == MANY
    await wire.is_lost()
    assert wire.protocol.lost == [None]


async def test_the_protocol_hears_of_the_loss_after_what_caused_it(wire: Wire) -> None:
    wire.transport.abort()
    wire.transport.abort()
    wire.transport.write(b"too late")
    assert not wire.protocol.lost
    await wire.is_lost()
    assert wire.protocol.lost == [None]


@pytest.mark.parametrize("reads", [True, False])
async def test_another_side_that_is_gone_is_told(wire: Wire, reads: bool) -> None:
    if not reads:
        wire.transport.pause_reading()
    wire.transport.write(MANY)
    wire.there.close()
    await wire.is_lost()
    assert isinstance(wire.protocol.lost[0], (ConnectionResetError, BrokenPipeError))


async def test_a_bug_of_the_protocol_ends_its_connection(wire: Wire) -> None:
    told: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    wire.protocol.fails = ValueError("a bug")
    wire.there.send(b"x")
    await wire.is_lost()
    assert [context["exception"] for context in told] == [wire.protocol.fails]


async def test_another_protocol_may_take_over_between_two_reads(wire: Wire) -> None:
    successor = Recorder()
    wire.there.send(b"one")
    await wait_until_async(lambda: wire.protocol.received == b"one")
    wire.transport.set_protocol(successor)
    wire.there.send(b"two")
    await wait_until_async(lambda: successor.received == b"two")
    wire.transport.set_protocol(wire.protocol)
