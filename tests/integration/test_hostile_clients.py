"""A crowd on the control socket, of every kind at once: what the proxy's clients feel of it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from bench.backends import ANSWER
from tests.integration.test_control_socket import service, socket_of
from tests.support.backends import answers
from tests.support.measured_process import MeasuredProxy, measured_proxy_before
from tests.support.wait import wait_until_async

pytestmark = pytest.mark.serial

MEBIBYTE = 1024 * 1024
RATE, SECONDS, CROWDED = 200, 3, 8
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(ANSWER), ANSWER)
SLACK = 0.02  # seconds: the crowd takes a core of the machine as well


async def printed(module: str, *words: object) -> list[float]:
    """The numbers that a program of ours prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *map(str, words), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return [float(number) for number in output.split()]


async def p99(proxy: MeasuredProxy) -> float:
    """Seconds, at a rate at which each request is due whether or not the one before was answered; none may fail."""
    _, failed, _, microseconds = await printed("bench.steady", proxy.address[1], RATE, SECONDS)
    assert not failed
    return microseconds / 1e6


async def test_i6_a_thousand_who_ask_and_all_who_misbehave_delay_no_request(tmp_path: Path) -> None:
    async with measured_proxy_before(tmp_path, answers(RESPONSE), "--name", "edge") as (proxy, _):
        alone = await p99(proxy)
        memory, descriptors = proxy.memory(), proxy.descriptors()
        crowd = asyncio.create_task(printed("tests.support.hostile_clients", socket_of(proxy), CROWDED))
        await wait_until_async(lambda: proxy.descriptors() > descriptors + 30)
        beside = await p99(proxy)
        (answered,) = await crowd
        assert answered > 100
        assert (await service(tmp_path))["totals"]["requests"] == 2 * RATE * SECONDS
        assert beside < 3 * alone + SLACK
        assert proxy.peak() - memory < 64 * MEBIBYTE
