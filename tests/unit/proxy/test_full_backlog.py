"""More clients at once than a backend lets wait: they are served later, and one that accepts others stays ready."""

from __future__ import annotations

from composectl.balance.phase import Phase
from composectl.balance.policy import LeastRequest
from tests.support.memory_service import ClockedLoop, MemoryService, run
from tests.support.messages import GET

BACKLOG, CROWD = 5, 100


def test_what_found_no_room_says_nothing_of_a_backend_that_accepts_since() -> None:
    async def play(loop: ClockedLoop) -> None:
        async with MemoryService(loop, 1, LeastRequest(), backlog=BACKLOG) as service:
            await service.ask_at_once(CROWD, GET)
            assert service.unanswered == CROWD - BACKLOG
            await service.wait(0.5)
            await service.ask_at_once(2 * BACKLOG, GET)  # one half on the connections that are kept
            assert service.unanswered == CROWD - BACKLOG
            await service.wait(10)
            assert service.unanswered == 0
            assert service.statuses == {b"200"}
            assert service.changes == [Phase.READY]

    run(play)


def test_one_that_accepts_none_for_a_second_is_ejected_once() -> None:
    async def play(loop: ClockedLoop) -> None:
        async with MemoryService(loop, 1, LeastRequest(), backlog=0) as service:
            await service.ask_at_once(CROWD, GET)
            await service.wait(3)
            assert service.changes == [Phase.READY, Phase.UNHEALTHY]

    run(play)
