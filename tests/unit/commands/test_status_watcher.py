"""Asking again and again leaves the running composectl time for its requests."""

from __future__ import annotations

import pytest

from composectl.commands import status as status_module
from composectl.commands.status import PollingWatcher, status_of_project
from tests.support.snapshots import snapshot


@pytest.mark.parametrize(("took", "pause"), [(0.001, 0.5), (0.02, 1.0), (5.0, 2.0)])
def test_a_slow_answer_makes_the_pause_longer(monkeypatch: pytest.MonkeyPatch, took: float, pause: float) -> None:
    moments = iter([100.0, 100.0 + took])
    monkeypatch.setattr(status_module.time, "perf_counter", lambda: next(moments))
    assert PollingWatcher(lambda: status_of_project(snapshot())).pause == pytest.approx(pause)
