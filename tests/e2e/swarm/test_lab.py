"""The lab itself: what the other tests here rest on."""

from __future__ import annotations

import os

import pytest

from tests.support.images import BACKEND_IMAGE
from tests.support.swarm_lab import ENGINES, HOSTS, SwarmLab, swarm_lab

OURS = {"wires", "docker_gwbridge", *(f"to-{name}" for name in ("client", *HOSTS))}
"""The names of links in the networks of a lab."""


@pytest.mark.whole
@pytest.mark.parametrize("engine", ENGINES)
def test_two_labs_run_at_once_and_leave_nothing(engine: str) -> None:
    with swarm_lab(engine) as one, swarm_lab(engine, managers=3) as another:
        assert one.comes_to("ready", "ready", "ready")
        one.cut(2)
        one.kill(3)
        assert one.comes_to("ready", "down", "down")
        one.mend(2)
        one.start(3)
        assert one.comes_to("ready", "ready", "ready")
        assert another.comes_to("ready", "ready", "ready")
        assert [managers(lab) for lab in (one, another)] == [1, 3]
        assert all(has_backend(lab, host) for lab in (one, another) for host in HOSTS)
        assert OURS.isdisjoint(os.listdir("/sys/class/net"))
    assert one.leftovers() + another.leftovers() == []


def managers(lab: SwarmLab) -> int:
    return int(lab.client(1).info()["Swarm"]["Managers"])


def has_backend(lab: SwarmLab, host: int) -> bool:
    return any(BACKEND_IMAGE in image.tags for image in lab.client(host).images.list())
