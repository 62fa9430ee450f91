"""How containers fare, from the engine's words."""

from __future__ import annotations

from typing import Any

import pytest

from composectl.engine.client import Engine
from composectl.engine.conditions import ails, may_ail, parse_condition, ready_seconds
from composectl.engine.containers import SERVICE
from tests.support.fake_engine import FakeEngine, container

SECOND = 10**9
CHECK = {"Test": ["CMD-SHELL", "curl -f localhost"]}


@pytest.mark.parametrize(
    ("check", "seconds"),
    [
        (None, 60),
        ({}, 60),
        ({"Test": ["NONE"]}, 60),
        ({"Test": []}, 60),
        (CHECK, 3 * (30 + 30)),
        (CHECK | {"Interval": 2 * SECOND, "StartPeriod": 120 * SECOND}, 120 + 3 * (2 + 30)),
        (CHECK | {"Interval": 5 * SECOND, "Timeout": SECOND // 2, "Retries": 10}, 10 * 5.5),
    ],
)
def test_a_replica_may_take_as_long_as_its_healthcheck_may_fail(check: Any, seconds: float) -> None:
    assert ready_seconds(container(1, Config={"Healthcheck": check})) == seconds


def test_a_container_that_starts_over_and_over() -> None:
    state = {"Status": "restarting", "ExitCode": 3, "Error": ""}
    condition = parse_condition(container(1, State=state, RestartCount=7), ["boom"])
    assert (condition.state, condition.exit_code, condition.restarts) == ("restarting", 3, 7)
    assert (condition.service, condition.name, condition.last_lines) == ("echo", "shop-echo-1", ("boom",))
    assert ails(condition)


def test_the_last_output_of_its_healthcheck_is_safe_to_show() -> None:
    log = [{"ExitCode": 1, "Output": "first\n"}, {"ExitCode": 127, "Output": "\x1b[31msh: curl: not found\r\n"}]
    health = {"Status": "starting", "FailingStreak": 0, "Log": log}
    condition = parse_condition(container(1, State={"Health": health}))
    assert (condition.health, condition.health_failures) == ("starting", 2)
    assert condition.health_output == "sh: curl: not found"
    assert condition.exit_code is None


@pytest.mark.parametrize(
    ("exit_codes", "streak", "failures"),
    [([1, 1, 1], 0, 3), ([1, 0, 1], 0, 1), ([1, 0], 0, 0), ([1, 1], 9, 9), ([], 0, 0)],
)
def test_failures_in_a_row_count_in_the_start_period_too(exit_codes: list[int], streak: int, failures: int) -> None:
    log = [{"ExitCode": code, "Output": ""} for code in exit_codes]
    health = {"Status": "starting", "FailingStreak": streak, "Log": log}
    assert parse_condition(container(1, State={"Health": health})).health_failures == failures


def test_a_lack_of_memory_is_told() -> None:
    state = {"Status": "exited", "ExitCode": 137, "OOMKilled": True}
    assert parse_condition(container(1, State=state)).error == "killed for lack of memory"


@pytest.mark.parametrize(
    ("state", "answer"),
    [
        ({"Status": "exited", "ExitCode": 0}, False),
        ({"Status": "exited", "ExitCode": 143}, False),
        ({"Status": "exited", "ExitCode": 1}, True),
        ({"Status": "exited", "ExitCode": 137, "OOMKilled": True}, True),
        ({"Status": "created"}, False),
        ({"Status": "created", "Error": "no such file"}, True),
        ({"Status": "running"}, False),
        ({"Status": "dead", "ExitCode": 1}, True),
        ({"Status": "running", "Health": {"Status": "starting"}}, False),
        ({"Status": "running", "Health": {"Status": "unhealthy"}}, True),
    ],
)
def test_one_that_did_its_work_or_was_stopped_does_not_ail(state: dict[str, Any], answer: bool) -> None:
    assert ails(parse_condition(container(1, State=state))) is answer


@pytest.mark.parametrize(
    ("state", "status", "answer"),
    [
        ("running", "Up 2 minutes", False),
        ("running", "Up 2 minutes (healthy)", False),
        ("running", "Up 2 minutes (unhealthy)", True),
        ("running", "Up Less than a second", True),
        ("running", "Up 9 seconds", True),
        ("running", "Up 12 seconds", False),
        ("restarting", "Restarting (1) 2 seconds ago", True),
        ("exited", "Exited (0) 2 days ago", True),
    ],
)
def test_what_is_listed_tells_what_to_look_at(state: str, status: str, answer: bool) -> None:
    assert may_ail({"State": state, "Status": status}) is answer


def test_one_that_has_just_been_started_again_ails() -> None:
    assert ails(parse_condition(container(1, RestartCount=2)))


async def test_other_services_are_told_of_only_where_they_ail(fake: FakeEngine) -> None:
    fake.log = b"no disk left\n"
    fake.run(
        container(1),
        container(2),
        container(3, Labels={SERVICE: "db"}, State={"Status": "exited", "ExitCode": 1}),
        container(4, Labels={SERVICE: "migration"}, State={"Status": "exited", "ExitCode": 0}),
        container(5, Labels={SERVICE: "cache"}),
    )
    engine = await Engine.connect(fake.endpoint)
    found = await engine.conditions("shop", ("echo",), well={f"{1:064x}"})
    assert [condition.number for condition in found] == [2, 3]
    assert found[1].last_lines == ("no disk left",)
    suspects = {f"{5:064x}"}
    assert [condition.number for condition in await engine.conditions("shop", (), (), suspects)] == [3, 5]
    engine.close()


async def test_what_is_printed_is_told_once_and_in_order(fake: FakeEngine) -> None:
    fake.log = b"2026-01-02T03:04:05.000000001Z first\n2026-01-02T03:04:05.000000002Z second\n"
    fake.run(container(1))
    engine, seen = await Engine.connect(fake.endpoint), dict[str, str]()
    lines = await engine.new_output("shop", seen, 10)
    assert [(line.source, line.text) for line in lines] == [("echo-1", "first"), ("echo-1", "second")]
    assert await engine.new_output("shop", seen, 10) == []
    fake.log += b"2026-01-02T03:04:06.000000000Z third\n"
    assert [line.text for line in await engine.new_output("shop", seen, 10)] == ["third"]
    engine.close()


async def test_the_longest_time_of_its_replicas_counts(fake: FakeEngine) -> None:
    fake.run(container(1), container(2, Config={"Healthcheck": CHECK}))
    engine = await Engine.connect(fake.endpoint)
    assert await engine.ready_seconds("shop", "echo") == 180
    assert await engine.ready_seconds("shop", "db") == 60
    engine.close()
