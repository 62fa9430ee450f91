"""`up` again: what runs is scaled, rolled out where it changed, and kept as it was where nothing is said."""

from __future__ import annotations

import os
import signal

import pytest

from tests.e2e.test_rollout import OF_VERSION, ids, versions
from tests.support.compose_project import ComposeProject
from tests.support.http_client import ask
from tests.support.images import ECHO_IMAGE
from tests.support.load_generator import echo_load
from tests.support.ports import free_port
from tests.support.wait import wait_until

NO_IMAGE = "127.0.0.1:1/no-such-image"  # nothing listens there, so that no registry is asked
WITH_ANOTHER = (
    OF_VERSION
    + """\
  other:
    image: {image}
"""
)

HALF = (
    OF_VERSION
    + """\
  second:
    image: {image_of_second}
    ports:
      - "127.0.0.1::9090"
  {other}:
    image: {image}
"""
)


@pytest.fixture
def two(project: ComposeProject) -> ComposeProject:
    """A project with two replicas of version 1, ready."""
    project.write(OF_VERSION, version=1)
    project.run("up", "--balance", "echo=2", "-d")
    assert project.has_ready(2)
    return project


@pytest.mark.slow
def test_with_another_number_it_is_scaled(two: ComposeProject) -> None:
    old, pid = ids(two), composectl_of(two)
    finished = two.composectl("up", "--balance", "echo=4", "-d")
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr.startswith(f"composectl is already running (process {pid}): echo from 2 to 4\n")
    assert finished.stdout == f"echo: 4 replicas behind 0.0.0.0:{two.port}, [::]:{two.port}\n"
    assert two.has_ready(4)
    assert old < ids(two)

    finished = two.composectl("up", "--balance", "echo=1", "-d")
    assert (finished.returncode, finished.stderr.count("echo: 1 of 1 ready\n")) == (0, 1), finished.stderr
    assert len(two.containers()) == 1
    assert composectl_of(two) == pid


@pytest.mark.slow
def test_another_definition_is_rolled_out_and_the_rest_comes_up(two: ComposeProject) -> None:
    old = ids(two)
    two.write(WITH_ANOTHER, version=2)
    with echo_load(two.port, per_second=40) as load:
        finished = two.composectl("up", "--balance", "echo=3", "-d")
    assert finished.returncode == 0, finished.stderr
    assert load.failed == []
    assert versions(two) == ["2"] * 3
    assert not old & ids(two)
    assert [container.name for container in two.containers() if "other" in str(container.name)]
    assert two.has_ready(3)


@pytest.mark.slow
def test_after_an_update_that_failed_ctrl_c_stops_all_that_runs(project: ComposeProject) -> None:
    project.write(HALF, version=1, image_of_second=ECHO_IMAGE, other="before")
    with project.starts("up", "--balance", "echo=1", "--balance", "second=1") as composectl:
        assert wait_until(lambda: len(running(project)) == 3)
        assert project.has_ready(1)
        project.write(HALF, version=2, image_of_second=NO_IMAGE, other="after")
        updated = project.composectl("up", "--balance", "echo=1", "--balance", "second=1", "-d")
        assert updated.returncode == 1, updated.stderr
        assert versions(project) == ["2"]
        assert len(running(project)) == 4
        composectl.send_signal(signal.SIGINT)
        said, _ = composectl.communicate(timeout=60)
    assert composectl.returncode == 130, said
    assert running(project) == []
    project.run("down", "--remove-orphans")


@pytest.mark.slow
def test_it_is_told_what_does_not_begin_by_itself(two: ComposeProject) -> None:
    words = ("--metrics", "0", "--dashboard", "0", "--access-log", "access.log")
    finished = two.composectl("up", "--balance", "echo=2", *words, "-d")
    assert finished.returncode == 0, finished.stderr
    for option in words[::2]:
        assert f"warning: the running composectl ignores `{option}`; use `--handover` to apply it\n" in finished.stderr
    assert not (two.folder / "access.log").exists()


@pytest.mark.slow
def test_another_port_is_told_of_and_applied_by_handover(two: ComposeProject) -> None:
    old, two.port = two.port, free_port()
    two.write(OF_VERSION, version=1)
    finished = two.composectl("up", "--balance", "echo=1", "--policy", "p2c")
    assert finished.returncode == 0, finished.stderr
    for text in ("ignores `--policy`", f"still listens on `{old}:9090` for service `echo`, not on `{two.port}:9090`"):
        assert f"warning: the running composectl {text}; use `--handover` to apply it\n" in finished.stderr
    assert "`composectl attach` shows the table\n" in finished.stderr
    assert ask(old).is_whole

    two.run("up", "--balance", "echo=1", "--handover", "-d")
    assert ask(two.port).is_whole
    assert two.status()["listeners"] == [f"0.0.0.0:{two.port}", f"[::]:{two.port}"]
    again = two.composectl("up", "--balance", "echo=1", "-d")
    assert "warning" not in again.stderr
    assert again.stdout == f"echo: 1 replica behind 0.0.0.0:{two.port}, [::]:{two.port}\n"


def test_without_balance_it_is_kept(two: ComposeProject) -> None:
    old, pid = ids(two), composectl_of(two)
    finished = two.composectl("up", "-d")
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr.startswith("balanced as before: echo=2; `--balance SERVICE=N` changes it\n")
    assert (ids(two), composectl_of(two)) == (old, pid)


def test_a_scale_of_compose_for_a_balanced_service_is_refused(two: ComposeProject) -> None:
    finished = two.composectl("up", "-d", "--scale", "echo=3")
    assert finished.returncode == 2
    assert "error: `--scale echo=3` cannot be combined with the balanced `echo=2`\n" in finished.stderr
    assert finished.stderr.endswith("hint: use `--balance echo=3`\n")
    assert two.has_ready(2)


@pytest.mark.slow
def test_without_balance_it_is_kept_though_composectl_was_killed(two: ComposeProject) -> None:
    old = ids(two)
    os.kill(composectl_of(two), signal.SIGKILL)
    finished = two.composectl("up", "-d")
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr.startswith("balanced as before: echo=2; `--balance SERVICE=N` changes it\n")
    assert ids(two) == old
    assert two.has_ready(2)
    assert ask(two.port).is_whole


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
@pytest.mark.slow
def test_a_service_that_is_not_balanced_yet_is_refused(two: ComposeProject) -> None:
    two.write(WITH_ANOTHER, version=1)
    finished = two.composectl("up", "--balance", "other=2", "--listen", "0:80", "-d")
    assert finished.returncode == 1
    assert "does not balance service `other`" in finished.stderr


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
@pytest.mark.slow
def test_those_that_started_first_leave_first_if_that_is_said(two: ComposeProject) -> None:
    (first,) = {container.id for container in two.containers() if str(container.name).endswith("1")}
    (second,) = ids(two) - {first}
    before = since(two, 1)
    two.engine.containers.get(first).restart(timeout=0)
    assert wait_until(lambda: since(two, 1) not in (None, before) and two.has_ready(2))
    two.run("scale", "echo=1", "--oldest-first")
    assert ids(two) == {first}
    assert second not in ids(two)


def since(project: ComposeProject, number: int) -> str | None:
    """When the replica of this number came to its phase; None while there is none."""
    return {each["number"]: str(each["since"]) for each in project.status()["backends"]}.get(number)


def running(project: ComposeProject) -> list[str]:
    return [str(container.name) for container in project.containers() if container.status == "running"]


def composectl_of(project: ComposeProject) -> int:
    """The process that balances it."""
    (lock,) = project.runtime.rglob("*.lock")
    return int(lock.read_text())
