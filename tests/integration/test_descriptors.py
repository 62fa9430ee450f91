"""A proxy that may open few files serves as many as it can, and lets the others wait."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.support.backends import answers
from tests.support.measured_process import measured_proxy_before
from tests.support.messages import GET, OK, post, status
from tests.support.raw_http import RawConnection

FILES = 256
MOST = (FILES - FILES // 8 - 128) // 2


async def test_d11_p14_with_few_files_every_client_gets_a_turn(tmp_path: Path) -> None:
    async with measured_proxy_before(tmp_path, answers(OK), files=FILES) as (proxy, _):
        turns = 0

        async def takes_a_turn(number: int) -> None:
            nonlocal turns
            client = await proxy.client()
            for _ in range(5):
                await client.send(post(b"hello") if number % 2 else GET)
                assert status(await client.until(b"ok")) == 200
            turns += 1
            client.close()

        await asyncio.gather(*(takes_a_turn(number) for number in range(4 * MOST)))
        assert turns == 4 * MOST
        proxy.send_signal(15)
        await proxy.ended()
        assert await proxy.complaints() == ""


async def test_d11_p14_clients_inside_are_served_while_others_wait(tmp_path: Path) -> None:
    async with measured_proxy_before(tmp_path, answers(OK), files=FILES) as (proxy, _):
        inside = [await proxy.client() for _ in range(MOST)]

        async def served(client: RawConnection) -> None:
            await client.send(post(b"hello"))
            assert status(await client.until(b"ok")) == 200

        for client in inside:
            await served(client)
        waiting = [await proxy.client() for _ in range(50)]
        for client in waiting:
            await client.send(GET)
        for client in inside:
            await served(client)
        assert sum(client.silent() for client in waiting) >= 50 - 16
        for client in inside:
            client.close()
        for client in waiting:
            assert status(await client.until(b"ok")) == 200
            client.close()
