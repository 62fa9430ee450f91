"""The bridge from the thread that reads to the loop."""

import asyncio
from collections.abc import Iterator

import pytest

from composectl.engine.events import Event, stream_events


async def test_events_come_in_order_until_the_engine_is_quiet() -> None:
    read = [{"time": n} for n in range(100)]
    async with asyncio.timeout(60):
        with stream_events(read, close=lambda: None) as events:
            assert [event async for event in events] == read


async def test_what_breaks_the_stream_is_raised_after_what_came_before() -> None:
    def read() -> Iterator[Event]:
        yield {"time": 1}
        raise ConnectionError("cut")

    async with asyncio.timeout(60):
        with stream_events(read(), close=lambda: None) as events:
            assert await anext(events) == {"time": 1}
            with pytest.raises(ConnectionError, match="cut"):
                await anext(events)


async def test_leaving_closes_it() -> None:
    closed = asyncio.Event()
    with stream_events([], close=closed.set):
        assert not closed.is_set()
    assert closed.is_set()
