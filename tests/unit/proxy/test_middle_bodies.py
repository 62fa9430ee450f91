"""Bodies around the sizes at which they go past the parser, and through the kernel, differ in nothing else."""

from __future__ import annotations

import os

import pytest

from composectl.proxy.splice import PIPES
from tests.support.messages import GET, OK, status
from tests.support.proxy_fixture import ProxyFixture
from tests.support.raw_http import RawConnection
from tests.support.wait import wait_until_async
from tests.unit.proxy.test_body_splice import Logged, logged, open_logged, through_kernel

__all__ = ["logged", "open_logged", "through_kernel"]
BODY = os.urandom(300_000)


def head(size: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size


async def asked(stage: ProxyFixture) -> tuple[RawConnection, RawConnection]:
    client, backend = await stage.ask(GET)
    await backend.head()
    return client, backend


async def both_go_on(client: RawConnection, backend: RawConnection) -> None:
    await client.send(GET)
    await backend.head()
    await backend.send(OK)
    assert await client.until(b"ok")


@pytest.mark.parametrize("size", [9_999, 10_000, 32_768, 36_000, 65_536, 100_000, 262_143, 300_000])
async def test_e1_a_body_of_any_size_arrives_whole(logged: Logged, size: int) -> None:
    client, backend = await asked(logged.stage)
    await backend.send(head(size) + BODY[:size])
    assert status(await client.head()) == 200
    assert await client.exactly(size) == BODY[:size]
    assert (await logged.only()).sent == size
    await both_go_on(client, backend)


@pytest.mark.parametrize("first", [1, 4_000, 30_000, 65_535])
async def test_e1_so_does_one_that_comes_in_pieces(logged: Logged, first: int) -> None:
    client, backend = await asked(logged.stage)
    await backend.send(head(65_536) + BODY[:first])
    assert status(await client.head()) == 200
    assert await client.exactly(first) == BODY[:first]
    await backend.send(BODY[first:65_536])
    assert await client.exactly(65_536 - first) == BODY[first:65_536]
    await both_go_on(client, backend)


async def test_b8_nothing_behind_it_goes_on(logged: Logged) -> None:
    client, backend = await asked(logged.stage)
    await backend.send(head(65_536) + BODY[:65_536] + OK)
    await client.head()
    assert await client.exactly(65_536) == BODY[:65_536]
    assert await backend.rest() == b""
    assert client.silent()


async def test_d3_one_that_is_too_short_ends_behind_all_that_came(logged: Logged) -> None:
    client, backend = await asked(logged.stage)
    await backend.send(head(65_536) + BODY[:50_000])
    backend.close()
    await client.head()
    assert await client.rest() == BODY[:50_000]


async def test_e5_a_client_that_reads_late_gets_all_of_it(logged: Logged) -> None:
    client = await logged.stage.client(receive_buffer=4096)
    await client.send(GET * 8)
    backend = await logged.stage.backend.accept()
    for _ in range(8):
        await backend.head()
        await backend.send(head(65_536) + BODY[:65_536])
    for _ in range(8):
        await client.head()
        assert await client.exactly(65_536) == BODY[:65_536]
    await wait_until_async(lambda: not PIPES.in_use or PIPES.in_use >= 1_000_000)
