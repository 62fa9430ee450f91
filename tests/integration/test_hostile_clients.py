"""A crowd on the control socket, of every kind at once: what the proxy's clients feel of it."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import Process
from pathlib import Path

import pytest

from bench.backends import ANSWER
from tests.integration.test_control_socket import service, socket_of
from tests.support.backends import answers
from tests.support.measured_process import MeasuredProxy, measured_proxy_before
from tests.support.wait import wait_until_async

pytestmark = pytest.mark.serial

MEBIBYTE = 1024 * 1024
RATE, SECONDS = 200, 1
WINDOWS = 4
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(ANSWER), ANSWER)
SLACK = 0.02  # seconds: the crowd takes a core of the machine as well


async def started(module: str, *words: object) -> Process:
    """A program of ours, whose output is read."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *map(str, words), stdout=asyncio.subprocess.PIPE
    )


async def printed(program: Process) -> list[float]:
    """The numbers that it prints until it ends."""
    output, _ = await program.communicate()
    assert program.returncode == 0
    return [float(number) for number in output.split()]


async def p99(proxy: MeasuredProxy) -> float:
    """Seconds, at a rate at which each request is due whether or not the one before was answered; none may fail."""
    _, failed, _, microseconds = await printed(await started("bench.steady", proxy.address[1], RATE, SECONDS))
    assert not failed
    return microseconds / 1e6


async def test_i6_a_thousand_clients_and_hostile_ones_delay_no_request(tmp_path: Path) -> None:
    async with measured_proxy_before(tmp_path, answers(RESPONSE), "--name", "edge") as (proxy, _):
        alone = [await p99(proxy) for _ in range(WINDOWS)]
        memory, descriptors = proxy.memory(), proxy.descriptors()
        crowd = await started("tests.support.hostile_clients", socket_of(proxy))
        await wait_until_async(lambda: proxy.descriptors() > descriptors + 30)
        beside = [await p99(proxy) for _ in range(WINDOWS)]
        crowd.terminate()
        (answered,) = await printed(crowd)
        assert answered
        assert (await service(tmp_path))["totals"]["requests"] == 2 * WINDOWS * RATE * SECONDS
        # What the crowd costs is in each window; what others do on this machine is not in the best one.
        assert min(beside) < 3 * min(alone) + SLACK
        assert proxy.peak() - memory < 64 * MEBIBYTE
