"""What keys ask for, as it comes to a running composectl."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from composectl import errors
from composectl.control.commands import BackendRef, LogLine, LogsRequest, RolloutRequest, ScaleRequest
from composectl.control.table_controls import TableControls
from tests.support.fake_daemon import Command, FakeDaemon

Ask = Callable[[TableControls], Iterable[str]]


@pytest.mark.parametrize(
    ("ask", "command"),
    [
        (lambda controls: controls.scale("echo", 4), ScaleRequest({"echo": 4})),
        (lambda controls: controls.drain("echo", 2), BackendRef("echo", 2)),
        (lambda controls: controls.undrain("echo", 2), BackendRef("echo", 2)),
        (lambda controls: controls.rollout("echo"), RolloutRequest(("echo",), "")),
    ],
)
async def test_each_is_a_command_of_the_api(tmp_path: Path, ask: Ask, command: Command) -> None:
    daemon = FakeDaemon()
    async with daemon.open(tmp_path) as path:
        lines = await asyncio.to_thread(lambda: list(ask(TableControls(path, 1))))
    assert lines == ["echo-2 draining, 1 in flight", "echo-2 removed"]
    assert daemon.commands == [command]


async def test_logs_are_read_through_the_api(tmp_path: Path) -> None:
    daemon = FakeDaemon()
    daemon.printed = [LogLine("2026-01-02T03:04:05.000000001Z", "echo", 2, "listening")]
    async with daemon.open(tmp_path) as path:
        watch = await asyncio.to_thread(TableControls(path, 1).logs, "echo", 2)
        line = await asyncio.to_thread(lambda: next(iter(watch)))
        watch.close()
    assert line.text == "listening"
    assert daemon.log_requests == [LogsRequest("echo", 2)]


def test_a_composectl_that_has_ended_says_so(tmp_path: Path) -> None:
    with pytest.raises(errors.HasEnded, match="4711"):
        list(TableControls(tmp_path / "none.sock", 4711).scale("echo", 1))
