"""The specifications that take an update step by step, and back."""

from __future__ import annotations

from typing import Any

from composectl.orchestrator.base import UpdateStep
from composectl.orchestrator.stack_update import forced, restored, reverting, with_first_step, with_next_step

DAY = 86_400_000_000_000
OLD: dict[str, Any] = {
    "TaskTemplate": {"ContainerSpec": {"Image": "echo:1"}, "ForceUpdate": 0},
    "Mode": {"Replicated": {"Replicas": 3}},
    "UpdateConfig": {"Parallelism": 1, "Order": "start-first"},
}
NEW: dict[str, Any] = {**OLD, "TaskTemplate": {"ContainerSpec": {"Image": "echo:2"}, "ForceUpdate": 0}}


def test_the_first_step_waits_a_day() -> None:
    document = {"services": {"echo": {"image": "e", "deploy": {"replicas": 3}}, "db": {"image": "d"}}, "networks": {}}
    stepped = with_first_step(document, "echo", UpdateStep(2))
    config = {"parallelism": 2, "delay": "24h", "failure_action": "pause", "order": "start-first"}
    assert stepped["services"]["echo"]["deploy"] == {"replicas": 3, "update_config": config}
    assert stepped["services"]["db"] == {"image": "d"}
    assert document["services"]["echo"]["deploy"] == {"replicas": 3}


def test_each_step_has_another_delay() -> None:
    delays = []
    spec: Any = NEW
    for _ in range(3):
        spec = with_next_step(spec, UpdateStep(2, stop_first=True))
        delays.append(spec["UpdateConfig"]["Delay"])
    assert delays == [DAY, DAY + 1, DAY + 2]
    assert (spec["UpdateConfig"]["Parallelism"], spec["UpdateConfig"]["Order"]) == (2, "stop-first")
    assert {**spec, "UpdateConfig": None} == {**NEW, "UpdateConfig": None}


def test_tasks_that_are_as_defined_are_made_anew_by_force() -> None:
    assert forced(forced(OLD))["TaskTemplate"] == {"ContainerSpec": {"Image": "echo:1"}, "ForceUpdate": 2}


def test_the_way_back_needs_no_more_steps() -> None:
    scaled = {**NEW, "Mode": {"Replicated": {"Replicas": 5}}}
    back = reverting(OLD, scaled, UpdateStep(2))
    assert back["TaskTemplate"] == OLD["TaskTemplate"]
    assert back["Mode"] == scaled["Mode"]
    assert back["UpdateConfig"]["Delay"] == 0
    assert back["UpdateConfig"]["FailureAction"] == "continue"
    assert restored(OLD, scaled) == {**OLD, "Mode": scaled["Mode"]}
