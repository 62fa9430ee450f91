"""Why tasks do not serve, as two engines have answered it of services that could not start."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from composectl.balance.waiting import explain_container
from composectl.engine.swarm import SwarmService, SwarmTask, parse_service, parse_task
from composectl.engine.swarm_conditions import TaskCondition, is_settled, service_ready_seconds, task_conditions
from tests.support.fake_swarm import answers

each_engine = pytest.mark.parametrize("engine", ["20.10", "28.5"])


def tasks_of(engine: str, mark: str) -> list[SwarmTask]:
    """The tasks of the service with this word in its definition."""
    found = answers("tasks", engine)
    service = next(task["ServiceID"] for task in found if mark in str(task["Spec"]))
    return [parse_task(task) for task in found if task["ServiceID"] == service]


def conditions(engine: str, mark: str, well: frozenset[str] = frozenset(), late: float = 1.0) -> list[TaskCondition]:
    tasks = tasks_of(engine, mark)
    now = max(datetime.fromisoformat(task.changed).timestamp() for task in tasks) + late
    return task_conditions("web", service(), tasks, well, now)


def service(**changed: Any) -> SwarmService:
    return parse_service(answers("services")[0] | changed)


def reasons(found: list[TaskCondition]) -> set[str]:
    return {explain_container(each.condition).reason for each in found}


@each_engine
def test_an_image_that_no_node_has_is_named(engine: str) -> None:
    (found,) = conditions(engine, "nosuch")
    assert found.condition.state == "rejected"
    assert reasons([found]) == {"rejected: No such image: nosuch:1, 4 restarts"}
    assert found.printed_by == ""


@each_engine
def test_a_task_without_a_place_tells_what_is_missing(engine: str) -> None:
    assert reasons(conditions(engine, "node.hostname == n9")) == {
        "pending: no suitable node (scheduling constraints not satisfied on 3 nodes)"
    }


@each_engine
def test_a_command_that_is_not_in_the_image_is_named(engine: str) -> None:
    (reason,) = reasons(conditions(engine, "nonexistent"))
    assert "/nonexistent" in reason
    assert "4 restarts" in reason


@each_engine
def test_a_crash_tells_its_exit_code_and_which_task_has_printed_why(engine: str) -> None:
    found = conditions(engine, "exit 3")
    assert sorted(each.condition.number for each in found) == [1, 2]
    assert {(each.condition.exit_code, each.condition.error) for each in found} == {(3, "")}
    assert all(reason.startswith("restarting: exit code 3, ") for reason in reasons(found))
    failed = {task.id for task in tasks_of(engine, "exit 3") if task.state == "failed"}
    assert {each.printed_by for each in found} <= failed
    assert found[0].with_lines(["oops"]).last_lines == ("oops",)


@each_engine
def test_what_ended_long_ago_does_not_count(engine: str) -> None:
    found = conditions(engine, "exit 3", late=500.0)
    assert {each.condition.restarts for each in found} == {0}
    assert {each.condition.exit_code for each in found} == {None}


@each_engine
def test_tasks_that_are_well_are_not_told_of(engine: str) -> None:
    wanted = frozenset(task.id for task in tasks_of(engine, "exit 3") if task.is_wanted)
    assert conditions(engine, "exit 3", well=wanted) == []


@each_engine
def test_a_running_task_without_a_backend_has_no_address_yet(engine: str) -> None:
    assert reasons(conditions(engine, "V=")) == {"running: no address yet"}


def test_a_task_may_wait_for_its_healthcheck() -> None:
    answer = next(task for task in answers("tasks") if "V=" in str(task["Spec"]))
    answer["Status"]["State"] = "starting"
    answer["Spec"]["ContainerSpec"]["Healthcheck"] = {"Test": ["CMD", "true"]}
    found = task_conditions("web", service(), [parse_task(answer)], (), 0.0)
    assert reasons(found) == {"starting: its HEALTHCHECK has not passed"}


def test_a_task_that_waits_for_its_start_is_not_called_ready() -> None:
    answer = next(task for task in answers("tasks") if "V=" in str(task["Spec"]))
    answer |= {"DesiredState": "ready"}
    answer["Status"]["State"] = "ready"
    assert reasons(task_conditions("web", service(), [parse_task(answer)], (), 0.0)) == {"prepared"}


def test_docker_tells_that_a_task_was_unhealthy() -> None:
    answer = next(task for task in answers("tasks") if "exit 3" in str(task["Spec"]))
    answer["Status"] |= {"State": "failed", "Err": "task: non-zero exit (143): dockerexec: unhealthy container"}
    answer["Status"]["ContainerStatus"]["ExitCode"] = 143
    task = parse_task(answer)
    found = task_conditions("web", service(), [task], (), datetime.fromisoformat(task.changed).timestamp())
    assert reasons(found) == {"failed: unhealthy container, exit code 143"}


@each_engine
def test_a_service_is_settled_when_all_that_is_to_run_runs(engine: str) -> None:
    running = [task for task in tasks_of(engine, "V=") if task.is_wanted]
    six = service(Spec=answers("services")[0]["Spec"] | {"Mode": {"Replicated": {"Replicas": len(running)}}})
    assert is_settled(six, running)
    assert not is_settled(six, running[1:])
    assert not is_settled(six, [task for task in tasks_of(engine, "exit 3") if task.is_wanted] * 3)
    everywhere = service(Spec=answers("services")[0]["Spec"] | {"Mode": {"Global": {}}})
    assert is_settled(everywhere, running[1:])


def test_a_service_may_say_how_long_its_tasks_take() -> None:
    spec = answers("services")[0]["Spec"]
    assert service_ready_seconds(service()) == 60.0
    check = {"Test": ["CMD", "true"], "Interval": 2 * 10**9, "Timeout": 10**9, "Retries": 2}
    spec["TaskTemplate"]["ContainerSpec"]["Healthcheck"] = check
    assert service_ready_seconds(service(Spec=spec)) == 6.0
