"""Bytes that the kernel moves arrive whole and in order, or not at all, and nothing is left behind."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from composectl.proxy.sockets import reset
from composectl.proxy.splice import CAN_SPLICE, PIPES, Splice
from tests.support.descriptors import exhausted, in_use
from tests.support.raw_http import PATIENCE, RawConnection
from tests.support.wait import wait_until_async, wait_until_still

pytestmark = pytest.mark.skipif(not CAN_SPLICE, reason="splice(2) is of Linux")

DATA = os.urandom(3 * 1024 * 1024 + 17)


class Outcome:
    """What `ended` was told."""

    def __init__(self) -> None:
        self.told: list[tuple[OSError | None, bool]] = []

    def __call__(self, error: OSError | None, of_source: bool) -> None:
        self.told.append((error, of_source))

    async def only(self) -> tuple[OSError | None, bool]:
        await wait_until_async(lambda: bool(self.told))
        (told,) = self.told
        return told


class Splicing:
    """Two connections through this process: what comes from the `sender` shall go to the `receiver`."""

    def __init__(
        self, sender: RawConnection, source: asyncio.Transport, target: asyncio.Transport, receiver: RawConnection
    ) -> None:
        self.sender = sender
        self.source = source
        self.target = target
        self.receiver = receiver
        self.outcome = Outcome()

    def splice(self, size: int | None = None) -> Splice:
        splice = Splice(self.source, self.target, self.outcome, size)
        try:
            splice.start()
        except OSError:
            assert splice.stop() == b""
            raise
        return splice


async def _connected(receive_buffer: int = 0) -> tuple[RawConnection, asyncio.Transport]:
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        outer = socket.socket()
        if receive_buffer:
            outer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        outer.connect(listening.getsockname())
        inner, _ = listening.accept()
    inner.setblocking(False)
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=inner)
    transport.pause_reading()
    return RawConnection(outer), transport


@asynccontextmanager
async def _opened(receive_buffer: int = 0) -> AsyncIterator[Splicing]:
    sender, source = await _connected()
    receiver, target = await _connected(receive_buffer)
    try:
        yield Splicing(sender, source, target, receiver)
    finally:
        for transport in (source, target):
            transport.abort()
        for connection in (sender, receiver):
            connection.close()
        await asyncio.sleep(0)


@pytest.fixture
async def splicing() -> AsyncIterator[Splicing]:
    async with _opened() as opened:
        yield opened


async def test_all_arrives_until_the_end(splicing: Splicing) -> None:
    splice = splicing.splice()
    sent = asyncio.create_task(splicing.sender.send(DATA))
    assert await splicing.receiver.exactly(len(DATA)) == DATA
    await sent
    splicing.sender.sock.shutdown(socket.SHUT_WR)
    assert await splicing.outcome.only() == (None, False)
    assert splice.moved == len(DATA)
    assert splice.stop() == b""


@pytest.mark.parametrize("size", [1, 64 * 1024, len(DATA)])
async def test_exactly_so_many_bytes_are_taken(splicing: Splicing, size: int) -> None:
    splice = splicing.splice(size)
    sent = asyncio.create_task(splicing.sender.send(DATA + b"the next message"))
    assert await splicing.receiver.exactly(size) == DATA[:size]
    assert await splicing.outcome.only() == (None, False)
    assert splice.moved == size
    assert splice.stop() == b""
    received: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    class Reads(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            if not received.done():
                received.set_result(data)

    splicing.source.set_protocol(Reads())
    splicing.source.resume_reading()
    async with asyncio.timeout(PATIENCE):
        data = await received
    assert (DATA + b"the next message")[size:].startswith(data)
    sent.cancel()


async def test_a_source_that_ends_too_early_shows_in_what_was_moved(splicing: Splicing) -> None:
    splice = splicing.splice(len(DATA))
    await splicing.sender.send(b"too short")
    splicing.sender.sock.shutdown(socket.SHUT_WR)
    assert await splicing.outcome.only() == (None, False)
    assert splice.moved == len(b"too short")
    assert await splicing.receiver.exactly(splice.moved) == b"too short"
    splice.stop()


async def test_a_reset_of_the_source_is_told(splicing: Splicing) -> None:
    splice = splicing.splice()
    await splicing.sender.send(b"a part")
    assert await splicing.receiver.exactly(6) == b"a part"
    splicing.sender.reset()
    error, of_source = await splicing.outcome.only()
    assert isinstance(error, ConnectionResetError)
    assert of_source
    splice.stop()


async def test_a_reset_behind_more_than_the_target_takes_is_told() -> None:
    async with _opened(receive_buffer=4096) as splicing:
        splice = splicing.splice()
        sent = asyncio.create_task(splicing.sender.send(DATA * 8))
        await wait_until_async(lambda: splice.waits_for_target)
        sent.cancel()
        await asyncio.wait([sent])
        splicing.sender.reset()
        while not splicing.outcome.told:
            assert await splicing.receiver.piece()
        error, of_source = await splicing.outcome.only()
        assert isinstance(error, ConnectionResetError)
        assert of_source
        splice.stop()


async def test_a_reset_of_the_target_is_told(splicing: Splicing) -> None:
    splice = splicing.splice()
    await splicing.sender.send(b"a part")
    assert await splicing.receiver.exactly(6) == b"a part"
    splicing.receiver.reset()
    await splicing.sender.send(b"another")
    error, of_source = await splicing.outcome.only()
    assert isinstance(error, OSError)
    assert not of_source
    splice.stop()


async def test_a_receiver_that_does_not_read_holds_the_sender_back() -> None:
    async with _opened(receive_buffer=4096) as splicing:
        splice = splicing.splice()
        sent = asyncio.create_task(splicing.sender.send(DATA * 8))
        await wait_until_async(lambda: splice.moved > 0)
        await wait_until_still(lambda: splice.moved)
        assert not sent.done()
        assert splice.moved < len(DATA) * 8
        assert await splicing.receiver.exactly(len(DATA) * 8) == DATA * 8
        await sent
        assert splice.stop() == b""


async def test_what_was_taken_and_not_passed_on_is_given_back() -> None:
    async with _opened(receive_buffer=4096) as splicing:
        splice = splicing.splice()
        sent = asyncio.create_task(splicing.sender.send(DATA * 8))
        await wait_until_async(lambda: splice.moved > 0)
        await wait_until_still(lambda: splice.moved)
        rest = splice.stop()
        assert rest
        splicing.target.write(rest)
        assert await splicing.receiver.exactly(splice.moved) == (DATA * 8)[: splice.moved]
        sent.cancel()


async def test_a_reset_leaves_once_the_splice_has_stopped(splicing: Splicing) -> None:
    splice = splicing.splice()
    await splicing.sender.send(b"a part")
    assert await splicing.receiver.exactly(6) == b"a part"
    splice.stop()
    reset(splicing.target)
    assert await splicing.receiver.was_reset()


async def test_without_descriptors_there_is_an_error_and_nothing_is_left(splicing: Splicing) -> None:
    PIPES.close()
    before = in_use()
    with exhausted(), pytest.raises(OSError, match="Too many open files"):
        splicing.splice()
    assert in_use() == before
    assert PIPES.in_use == 0


async def test_a_descriptor_that_fails_leaves_none_of_the_others(splicing: Splicing) -> None:
    PIPES.close()
    splicing.target.abort()
    await wait_until_async(lambda: splicing.target.get_extra_info("socket").fileno() < 0)
    left = in_use()
    with pytest.raises(OSError, match="Bad file descriptor"):
        splicing.splice()
    PIPES.close()
    assert in_use() == left
    assert PIPES.in_use == 0


def test_the_first_pipes_are_large_and_further_ones_smaller() -> None:
    PIPES.close()
    pipes = [PIPES.take() for _ in range(40)]
    sizes = [fcntl.fcntl(writing, fcntl.F_GETPIPE_SZ) for _, writing in pipes]
    for pipe in pipes:
        PIPES.give_back(pipe)
    PIPES.close()
    assert sizes[0] == 1024 * 1024
    assert sizes[-1] == 256 * 1024
    assert PIPES.in_use == 0


async def test_small_pipes_do_as_well(splicing: Splicing) -> None:
    PIPES.close()
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    PIPES.in_use += 1
    PIPES.give_back((reading, writing))
    splice = splicing.splice()
    sent = asyncio.create_task(splicing.sender.send(DATA))
    assert await splicing.receiver.exactly(len(DATA)) == DATA
    await sent
    splice.stop()
    PIPES.close()


async def _splice_and_stop() -> None:
    async with _opened(receive_buffer=4096) as splicing:
        splice = splicing.splice()
        sent = asyncio.create_task(splicing.sender.send(DATA))
        await wait_until_async(lambda: splice.moved > 0)
        splice.stop()
        assert splice.stop() == b""
        sent.cancel()


async def test_nothing_is_left_behind() -> None:
    await _splice_and_stop()  # and what the loop keeps for itself is there
    before = in_use()
    for _ in range(20):
        await _splice_and_stop()
    await wait_until_async(lambda: in_use() <= before)
    assert PIPES.in_use == 0
