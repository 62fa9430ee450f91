"""How much memory the whole proxy takes, in a process of its own."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.support.backends import answers
from tests.support.measured_process import measured_proxy_before
from tests.support.messages import GET, OK, post, status
from tests.support.raw_http import RawConnection, connect, fill
from tests.support.wait import wait_until_async

pytestmark = pytest.mark.serial

MEBIBYTE = 1024 * 1024
PIECE = bytes(range(256)) * 1024


async def served(client: RawConnection, request: bytes = GET) -> None:
    await client.send(request)
    assert status(await client.until(b"ok")) == 200


async def test_e1_p7_a_gibibyte_goes_both_ways_within_20_mebibytes(tmp_path: Path) -> None:
    pieces = 1024 * MEBIBYTE // len(PIECE)
    came_up = hashlib.sha256()

    async def takes_and_gives(wire: RawConnection) -> None:
        await wire.head()
        left = pieces * len(PIECE)
        async for piece in wire.stream():
            came_up.update(piece)
            left -= len(piece)
            if not left:
                break
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (pieces * len(PIECE)))
        for _ in range(pieces):
            await wire.send(PIECE)

    async with measured_proxy_before(tmp_path, takes_and_gives) as (proxy, _):
        client = await proxy.client()
        memory = proxy.memory()
        proxy.forget_peak()
        await client.send(post(b"", pieces * len(PIECE)))
        sent = hashlib.sha256()
        for _ in range(pieces):
            sent.update(PIECE)
            await client.send(PIECE)
        assert status(await client.head()) == 200
        came_down, left = hashlib.sha256(), pieces * len(PIECE)
        async for piece in client.stream():
            came_down.update(piece)
            left -= len(piece)
            if not left:
                break
        assert proxy.peak() - memory < 20 * MEBIBYTE
    assert came_up.digest() == came_down.digest() == sent.digest()


async def test_e8_p6_a_hundred_large_downloads_fit_in_200_mebibytes(tmp_path: Path) -> None:
    async def gives(wire: RawConnection) -> None:
        await wire.head()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (100 * MEBIBYTE))
        await fill(wire)

    async with measured_proxy_before(tmp_path, gives) as (proxy, backend):
        clients = [await proxy.client(receive_buffer=65536) for _ in range(100)]
        for client in clients:
            await client.send(GET)
        for client in clients:
            await client.head()
            await client.exactly(MEBIBYTE)
        await wait_until_async(lambda: len(backend.wires) >= 100)
        assert proxy.peak() < 200 * MEBIBYTE


async def test_e5_p6_readers_that_stop_take_a_mebibyte_each_at_most(tmp_path: Path) -> None:
    filled = 0

    async def gives(wire: RawConnection) -> None:
        nonlocal filled
        await wire.head()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (100 * MEBIBYTE))
        await fill(wire)
        filled += 1

    async with measured_proxy_before(tmp_path, gives) as (proxy, _):
        memory = proxy.memory()
        for client in [await proxy.client(receive_buffer=4096) for _ in range(20)]:
            await client.send(GET)
        await wait_until_async(lambda: filled == 20)
        assert proxy.memory() - memory < 20 * MEBIBYTE


async def test_p5_f7_a_thousand_idle_clients_take_10_mebibytes_at_most(tmp_path: Path) -> None:
    async with measured_proxy_before(tmp_path, answers(OK)) as (proxy, _):
        await served(await proxy.client())
        memory = proxy.memory()
        for _ in range(1000):
            await served(await proxy.client())
        assert proxy.memory() - memory < 10 * MEBIBYTE


async def test_f8_churn_takes_no_memory(tmp_path: Path) -> None:
    async with measured_proxy_before(tmp_path, answers(OK)) as (proxy, _):

        async def churn(rounds: int) -> None:
            for number in range(rounds):
                client = await connect(proxy.address)
                await served(client)
                client.reset() if number % 2 else client.close()

        await churn(1000)
        memory = proxy.memory()
        await churn(2000)
        assert proxy.memory() < 1.05 * memory
