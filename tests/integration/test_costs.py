"""What it costs to ask: CPU of a whole process, the least of several, so that a busy machine does not count."""

from __future__ import annotations

import signal

import pytest

from tests.support.command_line import command_line
from tests.support.cpu_cost import least_cpu
from tests.support.proxy_process import Workspace

pytestmark = pytest.mark.serial


def test_telling_the_version_costs_less_than_100_ms(place: Workspace) -> None:
    assert cost(place, "--version") < 0.1


def test_telling_the_status_costs_less_than_300_ms(place: Workspace) -> None:
    proxy = place.proxy(*(place.backend() for _ in range(10)))
    assert place.comes_to(*["ready"] * 10)
    assert cost(place, "status") < 0.3
    proxy.ends_by(signal.SIGINT)


def cost(place: Workspace, *words: str) -> float:
    return least_cpu(command_line(*words), place.folder, place.environment())
