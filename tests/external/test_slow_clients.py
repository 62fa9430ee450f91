"""slowhttptest: slow heads, slow bodies and slow readers, hundreds at once, delay no other one."""

from __future__ import annotations

import asyncio
import re
import time

import aiohttp
import pytest

from tests.external.conftest import said_by
from tests.support.cpu_clock import CpuClock

pytestmark = pytest.mark.serial

CONNECTIONS = "100"
SECONDS = "13"
ATTACKS = {
    "slow heads": ("-H", "-i", "1", "-l", "60"),  # ends once the proxy has ended them all
    "slow bodies": ("-B", "-i", "1", "-s", "100000"),
    "slow readers": ("-X", "-w", "1", "-y", "20", "-n", "1", "-z", "5"),
}


async def test_f6_p9_slow_clients_of_three_kinds_delay_no_other(port: int) -> None:
    url = f"http://127.0.0.1:{port}/"
    with CpuClock() as clock:
        async with asyncio.TaskGroup() as group:
            answers: list[tuple[float, float]] = []
            asking = group.create_task(ask_steadily(url, answers))
            attacks = [group.create_task(attack(url, *words)) for words in ATTACKS.values()]
            said = [await task for task in attacks]
            asking.cancel()
    for what in said:
        assert set(re.findall(r"service available:\s+(\w+)", what)) == {"YES"}, what
        assert "connected:           100" in what
    assert "No open connections left" in said[0], said[0]
    assert max(clock.between(*answer) for answer in answers) < 1


async def attack(url: str, *words: str) -> str:
    """What slowhttptest says of it, without its colours; it probes by itself, and a second is too late."""
    large = "large" if "-X" in words else ""
    arguments = ("-c", CONNECTIONS, "-r", CONNECTIONS, "-l", SECONDS, "-p", "1", "-u", url + large, *words)
    return re.sub(r"\x1b\[[\d;]*[A-Za-z]", "", await said_by("slowhttptest", *arguments))


async def ask_steadily(url: str, answers: list[tuple[float, float]]) -> None:
    """Ask again and again, each time on a connection of its own; when each question and its answer were is added."""
    while True:
        began = time.time()
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            assert await answer.read() == b"hello"
        answers.append((began, time.time()))
