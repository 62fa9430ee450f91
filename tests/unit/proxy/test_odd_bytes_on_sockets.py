"""The properties once more, on real sockets and on both loops, with fewer examples."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Network

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from composectl.proxy.limits import Limits
from composectl.proxy.request_id import make_request_id
from tests.support.examples import examples
from tests.support.judge_requests import Habits, Heard, StrictBackend, check
from tests.support.judge_responses import Part, Said, check_response, marked
from tests.support.memory_proxy import cut
from tests.support.odd_requests import attacks, segments
from tests.support.odd_responses import clients, hostilities
from tests.support.proxy_fixture import ProxyFixture
from tests.support.raw_http import RawConnection
from tests.support.reading import End, Request, read_requests, read_responses
from tests.support.wait import wait_until_async

OTHERS = (IPv4Network("192.0.2.0/24"),)  # so that the client at loopback is not trusted
LOOPS = [asyncio.SelectorEventLoop, uvloop.new_event_loop]
every_loop = pytest.mark.parametrize("loop", LOOPS, ids=["asyncio", "uvloop"])


@every_loop
@examples(50)
@given(data=attacks, sizes=segments, bits=st.integers(0, 31))
def test_a28_no_request_is_heard_but_those_that_were_sent(
    loop: Callable[[], asyncio.AbstractEventLoop], data: bytes, sizes: list[int], bits: int
) -> None:
    habits = Habits.of(bits)
    habits.early = False
    heard = Heard(habits, b"127.0.0.1")

    async def backend(wire: RawConnection) -> None:
        said = bytearray()
        strict = StrictBackend(heard, said.extend)
        async for piece in wire.stream():
            strict.hear(piece)
            await wire.send(bytes(said))
            if habits.closes and said:
                wire.close()
                return
            said.clear()

    async def play(stage: ProxyFixture) -> None:
        stage.backend.play(backend)
        client = await stage.client()
        requests, end, _ = read_requests(data)

        def enough() -> bool:
            goes_on = end in (End.WHOLE, End.PARTIAL) and b"\r\nConnection: close\r\n" not in client.received
            return goes_on and whole(client, requests) == len(requests)

        ended = await talk(client, cut(data, sizes), enough)
        check(data, heard, bytes(client.received), ended)

    on_stage(play, loop)


@every_loop
@examples(50)
@given(asked=clients, parts=st.lists(hostilities(), min_size=1, max_size=3))
def test_b_nothing_goes_on_but_whole_responses_to_their_requests(
    loop: Callable[[], asyncio.AbstractEventLoop], asked: bytes, parts: list[Part]
) -> None:
    left, said = deque(parts), list[Said]()

    async def backend(wire: RawConnection) -> None:
        heard, before = bytearray(), None
        async for piece in wire.stream():
            heard += piece
            for request in read_requests(bytes(heard))[0]:
                heard.clear()
                part = left.popleft() if left and not before else marked(request)
                before = Said(request, before, b"".join(part.segments), part.end)
                said.append(before)
                await speak(wire, part.segments)
                if part.end:
                    wire.close() if part.end == "in order" else wire.reset()
                    return

    async def play(stage: ProxyFixture) -> None:
        stage.backend.play(backend)
        client = await stage.client()
        requests, _, _ = read_requests(asked)

        def enough() -> bool:
            waits = bool(said) and not said[-1].ended and said[-1].read()[0] is None
            return waits or whole(client, requests) == len(requests)

        ended = await talk(client, [asked], enough)
        responses, end, rest = read_responses(bytes(client.received), ended, requests)
        assert end is not End.BAD, rest
        for request, response in zip(requests, responses, strict=False):
            check_response(request, response, said)

    on_stage(play, loop)


async def talk(client: RawConnection, said: list[bytes], enough: Callable[[], bool]) -> str:
    """Say this, and hear until the other side ends the connection or it is enough; how it ended, if it did."""
    resets = asyncio.create_task(client.was_reset())
    await speak(client, said)
    await wait_until_async(lambda: resets.done() or enough())
    if resets.done():
        return "by a reset" if resets.result() else "in order"
    resets.cancel()
    return ""


async def speak(wire: RawConnection, segments: list[bytes]) -> None:
    """Send these, one turn of the loop after the other, as long as they are taken."""
    wire.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with contextlib.suppress(ConnectionError):
        for segment in segments:
            await wire.send(segment)
            await asyncio.sleep(0)


def whole(client: RawConnection, requests: list[Request]) -> int:
    """How many whole responses have come."""
    return len(read_responses(bytes(client.received), "", requests)[0])


def on_stage(play: Callable[[ProxyFixture], Awaitable[None]], loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def open_and_close() -> None:
        stage = ProxyFixture()
        await stage.open(limits=Limits(trusted_proxies=OTHERS), make_id=make_request_id)
        await play(stage)
        await stage.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(open_and_close())
