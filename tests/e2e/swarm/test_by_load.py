"""A range on three hosts: the load makes tasks and lets them go, down to none, and no request is lost."""

from __future__ import annotations

from tests.support.swarm_project import SwarmScenario
from tests.support.wait import wait_until

SOON = ("--stable-window", "5s", "--panic-window", "2s")


def test_it_grows_to_six_tasks_and_shrinks_to_one(swarm: SwarmScenario) -> None:
    swarm.write()
    swarm.up("1..6", "--max-in-flight", "1", *SOON)
    with swarm.clients(24, "/?sleep=0.05") as load:
        assert swarm.project.has_ready(6)
        assert swarm.by_node() == {"host1": 2, "host2": 2, "host3": 2}
        assert wait_until(lambda: load.answered >= 500)
        few = load.answered
    with swarm.clients(1, "/?sleep=0.05") as rest:
        assert wait_until(lambda: len(swarm.project.tasks()) == 1)
        assert swarm.project.has_ready(1)
    totals = swarm.project.status()["totals"]
    assert (load.failed, rest.failed, totals["failed"]) == ([], [], 0)
    assert totals["requests"] == load.answered + rest.answered > few


def test_without_a_request_there_is_no_task_and_the_next_one_waits_for_one(swarm: SwarmScenario) -> None:
    swarm.write()
    swarm.up("0..3", "--sleep-after", "3s", *SOON)
    for _ in range(2):
        assert wait_until(lambda: swarm.project.status()["asleep"] and not swarm.project.tasks())
        with swarm.clients(50, "/") as load:
            assert wait_until(lambda: load.answered >= 100)
        assert load.failed == []
    status = swarm.project.status()
    reasons = [scaling["reason"] for scaling in status["scalings"]]
    assert (reasons.count("a request came"), status["totals"]["failed"]) == (2, 0)
