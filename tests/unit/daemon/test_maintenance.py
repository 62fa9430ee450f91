"""One backend out of traffic by hand: what is told of the service that is left."""

from __future__ import annotations

import pytest

from composectl import errors
from composectl.control.commands import BackendRef, ScaleRequest
from composectl.daemon.daemon import Daemon
from composectl.daemon.maintenance import drain
from composectl.daemon.scaling import scale

WARNING = "warning: no replica of `echo` serves requests now"


async def drained(daemon: Daemon, number: int) -> list[str]:
    lines: list[str] = []
    await drain(daemon, BackendRef("echo", number), lines.append)
    return lines


async def test_draining_the_last_ready_replica_warns(daemon: Daemon) -> None:
    assert await drained(daemon, 1) == ["echo-1 maintenance, 0 in flight", "echo-1 drained, nothing in flight"]
    assert WARNING in await drained(daemon, 2)


async def test_a_service_without_replicas_can_be_scaled(daemon: Daemon) -> None:
    await scale(daemon, ScaleRequest({"echo": 0}), print)
    with pytest.raises(errors.ComposectlError, match="has no replica 99") as caught:
        await drained(daemon, 99)
    assert caught.value.hint == "start one: `composectl scale echo=1`"
