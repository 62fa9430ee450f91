"""One replica out of rotation by hand, and back."""

from __future__ import annotations

import pytest

from tests.support.compose_project import ComposeProject
from tests.support.http_client import HeldRequest
from tests.support.load_generator import echo_load
from tests.support.project import ECHO
from tests.support.wait import is_seen, wait_until


def test_a_drained_replica_finishes_gets_no_more_and_returns(project: ComposeProject) -> None:
    project.run("up", "--balance", "echo=2", "-d")
    assert project.has_ready(2)
    held = HeldRequest(project.port)
    assert wait_until(lambda: project.status()["totals"]["in_flight"] == 1)
    (busy,) = (backend for backend in project.status()["backends"] if backend["in_flight"])
    number = str(busy["number"])

    with echo_load(project.port, per_second=40) as load:
        with project.starts("drain", "echo", number) as draining:
            assert wait_until(lambda: phase_of(project, busy["number"]) == "maintenance")
            assert draining.poll() is None
            answer = held.finish()
            output, _ = draining.communicate(timeout=60)
        assert draining.returncode == 0, output
        assert output.splitlines()[-1] == f"{busy['name']} drained, nothing in flight"
        assert answer.is_whole
        assert answer.backend == busy["address"]
        assert phase_of(project, busy["number"]) == "maintenance"
        drained = len(load.backends)
        assert wait_until(lambda: len(load.backends) > drained + 40)
        assert busy["address"] not in load.backends[drained:]

        finished = project.composectl("undrain", "echo", number)
        assert (finished.returncode, finished.stderr) == (0, f"{busy['name']} ready\n")
        returned = len(load.backends)
        assert wait_until(lambda: busy["address"] in load.backends[returned:])
    assert load.failed == []
    assert len(project.containers()) == 2


@pytest.mark.slow
def test_a_replica_that_is_missing_or_not_drained_is_refused(project: ComposeProject) -> None:
    project.run("up", "--balance", "echo=1", "-d")
    missing = project.composectl("drain", "echo", "7")
    assert missing.returncode == 1
    assert "error: service `echo` has no replica 7\n\nhint: replicas: 1\n" in missing.stderr
    serving = project.composectl("undrain", "echo", "1")
    assert serving.returncode == 1
    assert "is not drained (phase: ready)" in serving.stderr


@pytest.mark.slow
@pytest.mark.parametrize("compose", ["v2"], indirect=True)
@pytest.mark.parametrize("words", [("scale", "echo=0"), ("rollout", "echo", "--monitor", "0"), ("down",)], ids=" ".join)
def test_h2_a_replica_is_stopped_only_after_its_drain_however_short_its_grace_period(
    project: ComposeProject, words: tuple[str, ...]
) -> None:
    begin(project)
    (replica,) = project.containers()
    held = HeldRequest(project.port)
    assert wait_until(lambda: project.status()["totals"]["in_flight"] == 1)
    with project.starts(*words) as command:
        assert wait_until(lambda: "draining" in phases_of(project))
        assert not is_seen(lambda: replica.id not in running(project), within=3)
        assert held.finish().is_whole
        assert command.wait(60) == 0
    assert replica.id not in running(project)


@pytest.mark.slow
@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_h2_what_is_in_flight_after_the_drain_timeout_is_reset_and_failed(project: ComposeProject) -> None:
    begin(project, "--drain-timeout", "1")
    held = HeldRequest(project.port)
    assert wait_until(lambda: project.status()["totals"]["in_flight"] == 1)
    told = project.composectl("scale", "echo=0").stderr
    assert f"{project.name}-echo-1 drained for 1 s, 1 request cut\n" in told
    with pytest.raises(ConnectionResetError):
        held.finish()
    assert project.status()["totals"]["failed"] == 1


def begin(project: ComposeProject, *words: str) -> None:
    """One replica that is given a second to stop."""
    project.write(ECHO + "    stop_grace_period: 1s\n")
    project.run("up", "--balance", "echo=1", "-d", *words)
    assert project.has_ready(1)


def running(project: ComposeProject) -> set[str | None]:
    return {container.id for container in project.containers() if container.status == "running"}


def phases_of(project: ComposeProject) -> list[str]:
    return [backend["phase"] for backend in project.status()["backends"]]


def phase_of(project: ComposeProject, number: int) -> str:
    return next(str(backend["phase"]) for backend in project.status()["backends"] if backend["number"] == number)
