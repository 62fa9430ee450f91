"""Every test runs twice, on uvloop and on plain asyncio."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack

import pytest

from tests.support.backends import BACKLOG
from tests.support.proxy_fixture import OpenStage, ProxyFixture


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.SelectorEventLoop}
    if sys.platform != "win32":
        import uvloop

        factories["uvloop"] = uvloop.new_event_loop
    return factories


@pytest.fixture
async def open_stage() -> AsyncIterator[OpenStage]:
    async with AsyncExitStack() as closing:

        async def opened(
            backends: int = 1, *, receive_buffer: int = 0, backlog: int = BACKLOG, **how: object
        ) -> ProxyFixture:
            stage = ProxyFixture(backends, receive_buffer=receive_buffer, backlog=backlog)
            await stage.open(**how)  # type: ignore[arg-type]
            closing.push_async_callback(stage.close)
            return stage

        yield opened


@pytest.fixture
async def stage(open_stage: OpenStage) -> ProxyFixture:
    return await open_stage()
