"""The descriptor that stands for many sockets in a loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import uvloop

from composectl.proxy.poller import poller
from tests.support.descriptors import in_use


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_loop_takes_its_descriptor_with_it(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    first = _descriptors_after_a_loop(new_loop)  # the first of its kind may open what stays
    assert [_descriptors_after_a_loop(new_loop) for _ in range(3)] == [first] * 3


def _descriptors_after_a_loop(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> int:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_use_one())
    del runner
    return in_use()


async def _use_one() -> None:
    assert poller() is poller()
