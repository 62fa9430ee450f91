"""A service on three hosts shares its requests, and loses none while its tasks come and go."""

from __future__ import annotations

from collections import Counter

from tests.e2e.swarm.conftest import AddFigure
from tests.support.resilience import IS_LONG, Figure
from tests.support.swarm_project import SwarmScenario
from tests.support.wait import wait_until

REQUESTS = 9000
STORY = "scale 9 -> 3 -> 12, roll out twice, down"
SERVED_BETWEEN = 500 if IS_LONG else 100
SLOW_SECONDS = 2.0


def test_nine_tasks_share_nine_thousand_requests(swarm: SwarmScenario, add_figure: AddFigure) -> None:
    swarm.serve(9)
    assert swarm.by_node() == {"host1": 3, "host2": 3, "host3": 3}
    with swarm.project.load(600, REQUESTS, streams=False) as load:
        pass
    assert load.failed == []
    served = Counter(load.backends)
    fewest, most = min(served.values()), max(served.values())
    name = f"{REQUESTS:,} requests to nine tasks: of each"
    add_figure(Figure(name, swarm.place, f"{fewest:,} to {most:,}", "800 to 1,200"))
    assert len(served) == 9
    assert 800 <= fewest <= most <= 1200, served
    status = swarm.project.status()
    assert status["totals"]["requests"] == len(load.fates)
    assert {backend["address"]: backend["requests"] for backend in status["backends"]} == served


def test_nothing_is_lost_while_tasks_come_and_go(swarm: SwarmScenario) -> None:
    swarm.serve(9)
    with swarm.under_load(STORY, 100) as load:
        for replicas in (3, 12):
            load.ask_slowly(9, SLOW_SECONDS)
            swarm.scale(replicas)
            assert swarm.comes_to(*["ready"] * replicas)
            assert swarm.goes_on(load, SERVED_BETWEEN)
        assert swarm.by_node() == {"host1": 4, "host2": 4, "host3": 4}
        swarm.roll_out(2)
        assert swarm.goes_on(load, SERVED_BETWEEN)
        load.ask_slowly(12, SLOW_SECONDS)
        swarm.roll_out(3, "--parallel", "4")
        assert swarm.goes_on(load, SERVED_BETWEEN)
        load.may_be_refused = True
        swarm.project.run("down")
    assert swarm.lost_nothing(load)
    assert wait_until(lambda: not swarm.project.leftovers()), swarm.project.leftovers()
