"""What replicas print while they start."""

from __future__ import annotations

import asyncio

from composectl import errors
from composectl.daemon.replica_output import ReplicaOutput
from composectl.engine.output import OutputLine
from tests.support.fake_orchestrator import FakeOrchestrator
from tests.support.wait import wait_until_async

FIRST = OutputLine("1", "web", 1, "I was here before")
SECOND = OutputLine("2", "web", 1, "listening")
THIRD = OutputLine("3", "database", 12, "migrating")


class Talkative(FakeOrchestrator):
    """Its containers print `coming`, one list after the other, and then the engine fails."""

    def __init__(self, *coming: list[OutputLine]) -> None:
        super().__init__({"web": 1})
        self.coming = list(coming)

    async def new_output(
        self, seen: dict[str, str], count: int = 1000, service: str = "", number: int | None = None
    ) -> list[OutputLine]:
        if not self.coming:
            raise errors.ComposectlError("the engine is away")
        return self.coming.pop(0)


async def test_lines_are_shown_as_compose_shows_them() -> None:
    lines: list[str] = []
    output = ReplicaOutput(Talkative([FIRST], [SECOND], [THIRD]))
    await output.skip()
    async with output.shown(lines.append):
        await wait_until_async(lambda: lines)
    assert lines == ["web-1  | listening", "database-12  | migrating"]


async def test_an_engine_that_fails_shows_nothing() -> None:
    lines: list[str] = []
    async with ReplicaOutput(Talkative()).shown(lines.append):
        await asyncio.sleep(0)
    assert lines == []
