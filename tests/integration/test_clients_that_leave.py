"""Clients that send much and leave at once: the whole proxy, in a process of its own, is rid of them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.measured_process import measured_proxy_before
from tests.support.messages import GET, OK, get, put, status
from tests.support.raw_http import RawConnection, connect
from tests.support.wait import wait_until_async

pytestmark = pytest.mark.serial

MEBIBYTE = 1024 * 1024
SECONDS = 10  # a sweep comes once a second


async def hangs(wire: RawConnection) -> None:
    """Answer all but `/hang`."""
    while True:
        if b" /hang " in await wire.head():
            await asyncio.Event().wait()
        await wire.send(OK)


async def test_f1_200_clients_that_pipeline_256_kibibytes_and_leave_take_no_memory(tmp_path: Path) -> None:
    requests = get("/hang") + GET * (256 * 1024 // len(GET))
    async with measured_proxy_before(tmp_path, hangs) as (proxy, _):
        memory, descriptors = proxy.memory(), proxy.descriptors()
        for _ in range(200):
            client = await connect(proxy.address)
            await client.send(requests)
            client.close()
        await wait_until_async(lambda: proxy.descriptors() < descriptors + 10, within=SECONDS)
        assert proxy.peak() - memory < 60 * MEBIBYTE
        assert proxy.memory() - memory < 10 * MEBIBYTE


async def test_f1_as_many_as_may_come_keep_no_other_client_out(tmp_path: Path) -> None:
    async with measured_proxy_before(tmp_path, hangs, "--max-connections", "60") as (proxy, _):
        for _ in range(60):
            client = await connect(proxy.address)
            await client.send(get("/hang") + GET * 20)
            client.close()
        other = await proxy.client()
        await other.send(GET)
        async with asyncio.timeout(SECONDS):
            assert status(await other.until(b"ok")) == 200


async def test_p3_a_hundred_uploads_of_a_megabyte_keep_32_mebibytes(tmp_path: Path) -> None:
    whole = 0

    async def never_answers(wire: RawConnection) -> None:
        nonlocal whole
        await wire.head()
        await wire.exactly(1_000_000)
        whole += 1
        await asyncio.Event().wait()

    async with measured_proxy_before(tmp_path, never_answers) as (proxy, _):
        memory, descriptors = proxy.memory(), proxy.descriptors()
        for crowd in (1, 2):  # the second one gets what the first one has left
            clients = [await proxy.client() for _ in range(100)]
            for client in clients:
                await client.send(put(b"x" * 1_000_000))
            await wait_until_async(lambda crowd=crowd: whole == 100 * crowd)  # type: ignore[misc]
            assert proxy.memory() - memory < 60 * MEBIBYTE
            for client in clients:
                client.close()
            await wait_until_async(lambda: proxy.descriptors() < descriptors + 10, within=SECONDS)
