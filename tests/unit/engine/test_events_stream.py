"""The bridge from the thread that reads to the loop."""

import asyncio
from collections.abc import Iterator

import pytest

from composectl.engine.events import EngineEvents, Event


async def test_events_come_in_order_until_the_engine_is_quiet() -> None:
    read = [{"time": n} for n in range(100)]
    async with asyncio.timeout(60):
        assert [event async for event in EngineEvents(read, close=lambda: None)] == read


async def test_what_breaks_the_stream_is_raised_after_what_came_before() -> None:
    def read() -> Iterator[Event]:
        yield {"time": 1}
        raise ConnectionError("cut")

    events = EngineEvents(read(), close=lambda: None)
    async with asyncio.timeout(60):
        assert await anext(events) == {"time": 1}
        with pytest.raises(ConnectionError, match="cut"):
            await anext(events)


async def test_leaving_closes_it() -> None:
    closed = asyncio.Event()
    with EngineEvents([], close=closed.set):
        pass
    assert closed.is_set()
