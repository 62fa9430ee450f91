"""Why a replica is not ready, in words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composectl.balance.backend import ContainerHealth
from composectl.balance.waiting import Condition, PortCheck, Waiting, explain, explain_container
from tests.support.examples import examples
from tests.support.factories import RecordedPool, replica

PORT = PortCheck("port 80", 80, (80, 5858))
RUNS = Condition(f"{1:064x}", "web", 1, "shop-web-1", "running", last_lines=("hello",))


def refused(**known: object) -> Waiting:
    """Of a replica whose port refuses, given what is known of its container."""
    watched = RecordedPool()
    watched.pool.sync([replica(1, ContainerHealth.NONE)])
    watched.pool.checked(watched.backend(1), "Connection refused")
    (waiting,) = explain(watched.pool.backends, 1, [replace(RUNS, **known)], PORT)  # type: ignore[arg-type]
    return waiting


def checked_by_docker(**known: object) -> Waiting:
    watched = RecordedPool()
    watched.pool.sync([replica(1, ContainerHealth.UNHEALTHY)])
    (waiting,) = explain(watched.pool.backends, 1, [replace(RUNS, **known)], PORT)  # type: ignore[arg-type]
    return waiting


def test_a_port_that_refuses_is_named() -> None:
    waiting = refused()
    assert (waiting.check, waiting.error, waiting.hint) == ("port 80", "Connection refused", "")
    assert waiting.last_lines == ("hello",)
    assert waiting.reason == "port 80: Connection refused"


def test_before_the_first_check_there_is_no_error() -> None:
    watched = RecordedPool()
    watched.pool.sync([replica(1, ContainerHealth.NONE)])
    (waiting,) = explain(watched.pool.backends, 1, [], PORT)
    assert waiting.reason == "port 80: not checked yet"


@pytest.mark.parametrize(
    ("listening", "fact", "hint"),
    [
        ((), "nothing listens in the container", ""),
        (
            (("127.0.0.1", 80),),
            "the container listens on 127.0.0.1 alone, which is not reached from outside of it",
            "make it listen on 0.0.0.0, not on 127.0.0.1",
        ),
        (
            (("::1", 80),),
            "the container listens on ::1 alone, which is not reached from outside of it",
            "make it listen on 0.0.0.0, not on 127.0.0.1",
        ),
        (
            (("0.0.0.0", 5858),),
            "the container listens on port 5858",
            "put port 5858 first under `ports:`, or write `port: 5858` under `x-balance:`",
        ),
        (
            (("127.0.0.1", 9), ("::", 3000)),
            "the container listens on port 3000",
            "publish the port on which it listens: `HOST_PORT:3000`",
        ),
        (
            (("127.0.0.1", 3000),),
            "the container listens on 127.0.0.1:3000 alone",
            "make it listen on 0.0.0.0:80",
        ),
    ],
)
def test_what_listens_in_the_container_tells_why_it_is_not_reached(
    listening: tuple[tuple[str, int], ...], fact: str, hint: str
) -> None:
    waiting = refused(listening=listening)
    assert (waiting.error, waiting.hint) == (f"Connection refused, {fact}", hint)


def test_one_that_listens_as_it_should_needs_no_more_words() -> None:
    assert refused(listening=(("0.0.0.0", 80),)).error == "Connection refused"


def test_a_healthcheck_is_told_with_what_it_printed_last() -> None:
    waiting = checked_by_docker(health="starting", health_failures=3, health_output="sh: 1\n/bin/sh: curl: not found")
    assert waiting.reason == "HEALTHCHECK: starting, failed 3 times"
    assert waiting.sentence == "HEALTHCHECK: starting, failed 3 times: /bin/sh: curl: not found"
    assert waiting.hint == "install the command of the HEALTHCHECK in the image, or use one that is there"


@pytest.mark.parametrize(
    ("output", "is_missing"),
    [
        ("/bin/sh: curl: not found", True),
        ("bash: line 1: curl: command not found", True),
        ('exec: "curl": executable file not found in $PATH: unknown', True),
        ("wget: server returned error: HTTP/1.1 404 Not Found", False),
        ("cat: /tmp/ready: No such file or directory", False),
    ],
)
def test_a_command_that_is_not_in_the_image_is_told(output: str, is_missing: bool) -> None:
    waiting = checked_by_docker(health="starting", health_failures=1, health_output=output)
    assert waiting.hint.startswith("install the command") is is_missing


def test_a_healthcheck_that_has_not_been_run_has_not_failed() -> None:
    assert checked_by_docker(health="starting").sentence == "HEALTHCHECK: starting"
    assert checked_by_docker(health="unhealthy", health_failures=1).sentence == "HEALTHCHECK: unhealthy, failed once"


def test_a_paused_replica_is_paused() -> None:
    assert checked_by_docker(state="paused").reason == "paused"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"state": "restarting", "exit_code": 3, "restarts": 5}, "restarting: exit code 3, 5 restarts"),
        ({"state": "exited", "exit_code": 0}, "exited: exit code 0"),
        ({"state": "created", "error": "no such file"}, "created: no such file"),
        ({"state": "exited", "exit_code": 137, "error": "killed for lack of memory"}, None),
        ({"exit_code": 3, "restarts": 1}, "restarting: exit code 3, 1 restart"),
        ({}, "running: no address yet"),
    ],
)
def test_a_container_that_is_no_backend_is_told_with_its_state(changes: dict[str, object], reason: str | None) -> None:
    condition = replace(RUNS, **changes)  # type: ignore[arg-type]
    (waiting,) = explain([], 1, [condition], PORT)
    assert waiting.reason == (reason or "exited: killed for lack of memory, exit code 137")
    assert waiting == explain_container(condition)


def test_a_crash_between_two_checks_is_told_too() -> None:
    assert refused(exit_code=3, restarts=2).reason == "port 80: Connection refused, last exit code 3, 2 restarts"


def test_a_container_is_not_missed_where_all_backends_are_there() -> None:
    watched = RecordedPool(1)
    ended = replace(RUNS, id=f"{2:064x}", number=2, state="exited", exit_code=1)
    assert explain(watched.pool.backends, 1, [ended], PORT) == ()
    assert [waiting.number for waiting in explain(watched.pool.backends, 2, [ended], PORT)] == [2]
    crashing = replace(ended, state="restarting", restarts=1)
    assert [waiting.number for waiting in explain(watched.pool.backends, 1, [crashing], PORT)] == [2]


def test_one_that_is_ready_or_leaves_does_not_wait() -> None:
    watched = RecordedPool(3)
    watched.pool.drain(watched.backend(2).replica.id, "scaled down")
    watched.pool.disable(watched.backend(3).replica.id, "drained")
    assert explain(watched.pool.backends, 3, [], PORT) == ()


@examples(100)
@given(
    st.sets(st.integers(1, 8)),
    st.lists(st.sampled_from(["running", "exited", "restarting", "created", "paused"]), max_size=8),
    st.integers(0, 8),
)
def test_every_replica_that_is_not_ready_is_told_once(numbers: set[int], states: list[str], desired: int) -> None:
    watched = RecordedPool()
    watched.pool.sync(replica(number, ContainerHealth.NONE) for number in numbers)
    conditions = [
        replace(RUNS, id=f"{number:064x}", number=number, state=state) for number, state in enumerate(states, 1)
    ]
    told = [waiting.number for waiting in explain(watched.pool.backends, desired, conditions, PORT)]
    assert told == sorted(set(told))
    assert set(told) >= numbers
    if len(numbers) < desired:
        assert set(told) == numbers | set(range(1, len(states) + 1))
