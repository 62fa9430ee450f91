"""How the whole proxy ends: a signal asks, another one forces."""

from __future__ import annotations

import asyncio
import re
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.backends import answers
from tests.support.measured_process import measured_proxy_before
from tests.support.messages import GET, OK
from tests.support.raw_http import PATIENCE, ConnectionEnded, RawConnection, connect
from tests.support.wait import wait_until_async


async def answers_when(event: asyncio.Event, wire: RawConnection) -> None:
    with suppress(ConnectionEnded, ConnectionError):
        while True:
            await wire.head()
            await event.wait()
            await wire.send(OK)


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=["f10 int", "f11 term", "f11 hup"]
)
async def test_f10_f11_a_signal_ends_it_once_all_are_answered(tmp_path: Path, number: signal.Signals) -> None:
    answer = asyncio.Event()
    async with measured_proxy_before(tmp_path, lambda wire: answers_when(answer, wire)) as (proxy, backend):
        client, idle = await proxy.client(), await proxy.client()
        await client.send(GET)
        await wait_until_async(lambda: any(b"GET / " in wire.received for wire in backend.wires))
        assert list(proxy.folder.glob("*.sock"))
        proxy.send_signal(number)
        await proxy.said("draining")
        assert await idle.rest() == b""
        with pytest.raises(OSError):
            await connect(proxy.address)
        answer.set()
        assert b"Connection: close\r\n" in await client.head()
        assert await client.rest() == b"ok"
        assert await proxy.ended() == 128 + number
        assert not proxy.folder.exists()
        again = "; a second Ctrl-C ends now" if number == signal.SIGINT else ""
        assert await proxy.complaints() == f"draining: 1 request in flight, for at most 30 s{again}\n"


async def test_f10_a_second_signal_waits_for_nothing(tmp_path: Path) -> None:
    async with measured_proxy_before(tmp_path, lambda wire: answers_when(asyncio.Event(), wire)) as (proxy, backend):
        client = await proxy.client()
        await client.send(GET)
        await wait_until_async(lambda: any(b"GET / " in wire.received for wire in backend.wires))
        proxy.send_signal(signal.SIGINT)
        await proxy.said("draining")
        proxy.send_signal(signal.SIGINT)
        assert await proxy.ended() == 128 + signal.SIGINT
        assert await client.rest() == b""
        assert not proxy.folder.exists()
        assert (await proxy.complaints()).startswith("draining: 1 request in flight")


async def test_f10_nothing_in_flight_is_lost_when_it_ends_under_load(tmp_path: Path) -> None:
    async with measured_proxy_before(tmp_path, answers(OK)) as (proxy, _):
        answered = [0] * 16

        async def asks_until_it_is_over(number: int) -> None:
            client = await proxy.client()
            while True:
                try:
                    await client.send(GET)
                    head = await client.until(b"ok")
                except (ConnectionEnded, ConnectionError):
                    assert not bytes(client.received).partition(b"ok")[2].rpartition(b"ok")[2]
                    return
                answered[number] += 1
                if b"Connection: close" in head:
                    return

        asking = [asyncio.create_task(asks_until_it_is_over(number)) for number in range(len(answered))]
        await wait_until_async(lambda: min(answered) > 10)
        proxy.send_signal(signal.SIGTERM)
        assert await proxy.ended() == 128 + signal.SIGTERM
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*asking)
        assert re.fullmatch(r"(draining: \d+ requests? in flight, for at most 30 s\n)?", await proxy.complaints())
