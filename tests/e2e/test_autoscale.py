"""A range: the load decides how many replicas there are, and no request is lost as they come and go."""

from __future__ import annotations

import time

import pytest

from tests.support.closed_loop import ClosedLoop
from tests.support.compose_project import ComposeProject
from tests.support.images import BACKEND_IMAGE
from tests.support.wait import wait_until

BUSY = """\
services:
  echo:
    image: {backend}
    ports:
      - "{port}:9090"
"""
SECONDS_TO_GROW = 15.0
SOON = ("--stable-window", "5s", "--panic-window", "2s")


def desired(project: ComposeProject) -> int:
    return int(project.status()["desired"])


@pytest.mark.usefixtures("backend_image")
def test_it_grows_with_the_load_and_shrinks_without_it(project: ComposeProject) -> None:
    project.write(BUSY, backend=BACKEND_IMAGE)
    project.run("up", "--balance", "echo=1..3", "--max-in-flight", "1", *SOON, "-d")
    assert (desired(project), project.status()["range"]) == (1, "1..3")

    with ClosedLoop(project.port, 20, "/?sleep=0.05") as load:
        assert project.has_ready(3)
    assert wait_until(lambda: len(project.containers()) == 1)
    status = project.status()
    assert (status["desired"], status["totals"]["failed"], load.failed) == (1, 0, [])
    assert status["scalings"][0]["from"] == 1
    assert "in flight over" in status["scalings"][0]["reason"]
    assert (status["scalings"][-1]["to"], load.answered > 0) == (1, True)

    project.run("scale", "echo=2")
    assert (project.status()["range"], len(project.containers())) == ("", 2)
    assert project.status()["scalings"][-1]["reason"] == "asked for"
    project.run("scale", "echo=1..3")
    assert wait_until(lambda: len(project.containers()) == 1)


@pytest.mark.slow
@pytest.mark.serial
@pytest.mark.usefixtures("backend_image")
def test_of_five_thousand_requests_none_fails_as_it_grows_to_five_and_shrinks(project: ComposeProject) -> None:
    project.write(BUSY, backend=BACKEND_IMAGE)
    project.run("up", "--balance", "echo=1..5", "--max-in-flight", "1", *SOON, "--scale-down-delay", "10s", "-d")
    began = time.monotonic()
    with ClosedLoop(project.port, 5, "/?sleep=0.1") as few:
        assert project.has_ready(5)
        assert time.monotonic() - began < SECONDS_TO_GROW
        assert wait_until(lambda: few.answered >= 100)
    with ClosedLoop(project.port, 50, "/?sleep=0.1") as many:
        assert wait_until(lambda: few.answered + many.answered >= 5000, within=300)
    assert wait_until(lambda: len(project.containers()) == 1)
    totals = project.status()["totals"]
    assert (few.failed, many.failed, totals["failed"]) == ([], [], 0)
    assert totals["requests"] == few.answered + many.answered
