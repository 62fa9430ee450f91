"""Messages between processes, with descriptors."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from ipaddress import ip_network
from typing import Any

import pytest

from composectl.balance.phase import Phase
from composectl.config.service import BalancingConfig
from composectl.daemon.channel import MAX_DESCRIPTORS, Channel, pair
from composectl.daemon.messages import Follow, Report, ServicePlan
from composectl.proxy.limits import Limits, QueueConfig
from tests.support.factories import replica
from tests.support.wait import wait_until_async


class End:
    """Keeps what comes."""

    def __init__(self, end: socket.socket) -> None:
        self.messages: list[Any] = []
        self.descriptors: list[int] = []
        self.over = asyncio.Event()
        self.channel = Channel(end, self._heard, self.over.set)

    def _heard(self, message: Any, descriptors: list[int]) -> None:
        self.messages.append(message)
        self.descriptors += descriptors


@pytest.fixture
async def ends() -> AsyncIterator[tuple[End, End]]:
    here, there = map(End, pair())
    yield here, there
    here.channel.close()
    there.channel.close()


async def test_what_is_frozen_arrives_as_it_was(ends: tuple[End, End]) -> None:
    here, there = ends
    limits = Limits(trusted_proxies=(ip_network("10.0.0.0/8"),), allowed_hosts=frozenset([b"a"]))
    plan = ServicePlan("echo", {}, BalancingConfig(limits=limits, queue=QueueConfig(1, 2)), "shop")
    sent = [Follow("echo", 1, replica(1), Phase.READY), plan]
    for message in sent:
        here.channel.send(message)
    await wait_until_async(lambda: len(there.messages) == 2)
    assert there.messages == sent


async def test_more_than_the_socket_holds_arrives_in_order(ends: tuple[End, End]) -> None:
    here, there = ends
    for number in range(20_000):
        here.channel.send(Report(number))
    await wait_until_async(lambda: len(there.messages) == 20_000)
    assert [message.number for message in there.messages] == list(range(20_000))


async def test_descriptors_come_with_their_message(ends: tuple[End, End]) -> None:
    here, there = ends
    read, write = os.pipe()
    here.channel.send(Report(1), [write] * MAX_DESCRIPTORS)
    os.close(write)
    await wait_until_async(lambda: there.messages)
    assert len(there.descriptors) == MAX_DESCRIPTORS
    os.write(there.descriptors[0], b"a")
    assert os.read(read, 1) == b"a"
    assert not any(map(os.get_inheritable, there.descriptors))
    for descriptor in (read, *there.descriptors):
        os.close(descriptor)


async def test_the_end_is_told_once_and_what_is_sent_then_is_lost(ends: tuple[End, End]) -> None:
    here, there = ends
    there.channel.close()
    here.channel.send(Report(1))
    async with asyncio.timeout(60):
        await here.over.wait()
    here.channel.send(Report(2))
