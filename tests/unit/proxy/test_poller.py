"""The descriptor that stands for many sockets in a loop."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from composectl.proxy.poller import poller


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_loop_takes_its_descriptor_with_it(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    first = _descriptors_after_a_loop(new_loop)  # the first of its kind may open what stays
    assert [_descriptors_after_a_loop(new_loop) for _ in range(3)] == [first] * 3


def _descriptors_after_a_loop(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> int:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_use_one())
    del runner
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


async def _use_one() -> None:
    assert poller() is poller()
