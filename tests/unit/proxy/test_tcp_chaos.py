"""Whatever connections do, each sequence of bytes arrives whole, or its connection ends with a reset."""

from __future__ import annotations

import asyncio
import contextlib
from random import Random

from composectl.proxy.limits import QueueConfig
from composectl.proxy.protocol import Protocol
from tests.support.proxy_fixture import OpenStage, ProxyFixture
from tests.support.raw_http import ConnectionEnded, RawConnection
from tests.support.wait import wait_until_async

CONNECTIONS = 120
_SIZES = (0, 1, 1000, 70_000, 400_000)
_LONGEST_PAUSE = 0.01


async def echo(wire: RawConnection) -> None:
    """Send back all that comes, and the end, too."""
    async for piece in wire.stream():
        await wire.send(piece)
    wire.close()


async def whole(client: RawConnection, random: Random) -> str:
    """Say something of some length, end, and hear it again."""
    sent = random.randbytes(random.choice(_SIZES))

    async def say() -> None:
        for at in range(0, len(sent), 30_000):
            await client.send(sent[at : at + 30_000])
            if random.random() < 0.3:
                await asyncio.sleep(random.uniform(0, _LONGEST_PAUSE))
        client.half_close()

    saying = asyncio.create_task(say())
    try:
        heard = bytearray()
        while piece := await client.piece():
            heard += piece
        await saying
    except ConnectionError:
        return "reset"
    finally:
        saying.cancel()
        await asyncio.gather(saying, return_exceptions=True)
    assert bytes(heard) == sent, f"{len(heard)} of {len(sent)} bytes, and an end in order"
    return "whole"


async def gone(client: RawConnection, random: Random) -> str:
    """Go away in the midst, with or without a reset, and without reading."""
    with contextlib.suppress(ConnectionError):
        await client.send(random.randbytes(random.choice(_SIZES[:3])))
        await asyncio.sleep(random.uniform(0, _LONGEST_PAUSE))
    random.choice((client.close, client.reset))()
    return "gone"


async def change_backends(stage: ProxyFixture, random: Random) -> None:
    """Backends leave and come again, are cut, and seconds pass."""
    for run in range(12):
        await asyncio.sleep(_LONGEST_PAUSE)
        away = random.randrange(len(stage.backends))
        stage.leave(away)
        if random.random() < 0.5:
            stage.server.cut(stage.pool.backends[away])
        stage.seconds_pass(1)
        await asyncio.sleep(_LONGEST_PAUSE)
        stage.observe(range(len(stage.backends)), run=f"run {run}")


async def test_bytes_arrive_whole_or_the_connection_is_reset(open_stage: OpenStage) -> None:
    random = Random(7)
    stage = await open_stage(3, protocol=Protocol.TCP, queue=QueueConfig(30), drain_seconds=0.1)
    for backend in stage.backends:
        backend.play(echo)

    async def one() -> str:
        await asyncio.sleep(random.uniform(0, 0.2))
        try:
            return await random.choice((whole, whole, gone))(await stage.client(), random)
        except (ConnectionError, ConnectionEnded):
            return "reset"

    changes = asyncio.create_task(change_backends(stage, random))
    ends = await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    await changes
    assert "whole" in ends

    def is_quiet() -> bool:
        stage.seconds_pass(1)
        counters = stage.pool.leases.counters()
        return not (counters.in_flight or counters.connections or stage.server.context.connections)

    await wait_until_async(is_quiet)
    assert stage.queue.queued == 0
    assert stage.pool.leases.counters().connections_total <= stage.pool.leases.counters().requests
