"""What a daemon tells of its containers' output."""

from __future__ import annotations

from pathlib import Path

import pytest

from composectl import errors
from composectl.control.commands import LogLine, LogsRequest
from composectl.daemon.daemon import Daemon
from composectl.daemon.logs import Logs
from composectl.engine.output import OutputLine
from tests.support.fake_orchestrator import FakeOrchestrator, make_daemon

LINE = OutputLine("1", "echo", 2, "listening", after_gap=True)


class Talkative(FakeOrchestrator):
    """Prints one line, and then its engine fails; `asked`: what it was asked for."""

    logs_command = "composectl logs -f"

    def __init__(self) -> None:
        super().__init__({"echo": 2})
        self.asked: list[tuple[int, str, int | None]] = []

    async def new_output(
        self, seen: dict[str, str], count: int = 1000, service: str = "", number: int | None = None
    ) -> list[OutputLine]:
        self.asked.append((count, service, number))
        if seen:
            raise errors.ComposectlError("the engine is away")
        seen["2"] = LINE.at
        return [LINE]


async def test_it_asks_for_the_tail_first_and_for_what_is_new_then(tmp_path: Path) -> None:
    orchestrator = Talkative()
    daemon = make_daemon(orchestrator, tmp_path / "composectl")
    logs = Logs(daemon, LogsRequest("echo", 2, tail=10))
    assert await logs.new_lines() == [LogLine("1", "echo", 2, "listening", after_gap=True)]
    assert await logs.new_lines() == []
    assert orchestrator.asked == [(10, "echo", 2), (500, "echo", 2)]
    daemon.close()


async def test_a_service_that_is_not_balanced_has_none(tmp_path: Path) -> None:
    daemon = make_daemon(Talkative(), tmp_path / "composectl")
    with pytest.raises(errors.ComposectlError, match="`ech` is not balanced"):
        await Logs(daemon, LogsRequest("ech")).new_lines()
    daemon.close()


async def test_a_proxy_over_static_backends_has_none(daemon: Daemon) -> None:
    with pytest.raises(errors.ComposectlError, match="there are no logs"):
        await Logs(daemon, LogsRequest()).new_lines()
