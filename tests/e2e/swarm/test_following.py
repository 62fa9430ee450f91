"""Two hundred tasks are followed for little CPU, and as fast as Docker lists them."""

from __future__ import annotations

from contextlib import closing

import pytest

from tests.e2e.swarm.conftest import AddFigure
from tests.support.images import BACKEND_IMAGE
from tests.support.resilience import Figure
from tests.support.swarm_follower import CAME, LEFT, Follower, Moments, own_list
from tests.support.swarm_lab import SwarmLab
from tests.support.swarm_project import SwarmProject
from tests.support.wait import wait_until

TASKS = 200
IDLE_SECONDS = 20
STACK = """\
version: "3.8"
services:
  echo:
    image: {backend}
    command: [sleep, "86400"]
    stop_signal: SIGKILL
    ports:
      - {{target: 9090, mode: host, protocol: tcp}}
    networks: [default]
    deploy:
      replicas: 0
networks:
  default:
    external: true
    name: bridge
"""


@pytest.mark.whole
@pytest.mark.parametrize("lab", ["modern"], indirect=True)
def test_two_hundred_tasks_are_followed_cheaply_and_at_once(
    lab: SwarmLab, swarm_project: SwarmProject, add_figure: AddFigure
) -> None:
    project, service = swarm_project, f"{swarm_project.name}_echo"
    project.write(STACK, backend=BACKEND_IMAGE)
    project.docker("stack", "deploy", "--resolve-image", "never", "-c", f"{project.file}", project.name)
    with closing(Follower(lab.url(1), service)) as follower:
        with own_list(lab.url(1), service) as listed:
            project.docker("service", "scale", "--detach", f"{service}={TASKS}")
            assert wait_until(lambda: len(follower.moments) == len(listed) == TASKS, within=300), len(follower.moments)
        share = follower.share_of_a_core(IDLE_SECONDS)
        with own_list(lab.url(1), service) as listed_again:
            assert wait_until(lambda: len(listed_again) == TASKS)
            project.docker("service", "scale", "--detach", f"{service}=0")
            both = (follower.moments, listed_again)
            assert wait_until(lambda: [len(moments) for moments in both] == [2 * TASKS] * 2, within=300)
    project.docker("stack", "rm", project.name)
    came, left = lag(CAME, follower.moments, listed), lag(LEFT, follower.moments, listed_again)
    place = f"{lab.version}, bridge"
    add_figure(Figure(f"CPU of following {TASKS} tasks at rest", place, f"{share:.2%}", "at most 1% of a core"))
    for what, seconds in (("come", came), ("go", left)):
        add_figure(Figure(f"{TASKS} tasks {what}: behind Docker's list", place, f"{seconds:.2f} s", "at most 2 s"))
    assert share <= 0.01
    assert max(came, left) <= 2, (came, left)


def lag(word: str, followed: Moments, listed: Moments) -> float:
    """The longest time, in seconds, from Docker's list to what was followed."""
    lags = [moment - listed[event] for event, moment in followed.items() if event[0] == word]
    assert len(lags) == TASKS
    return max(0.0, *lags)
