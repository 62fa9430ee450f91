"""Whoever looks again and again does not keep others from their work."""

from __future__ import annotations

import pytest

from composectl.commands import status as looking
from composectl.commands.status import PollingWatcher, status_of_project
from tests.support.snapshots import snapshot


@pytest.mark.parametrize(("took", "pause"), [(0.001, 0.5), (0.02, 1.0), (5.0, 2.0)])
def test_the_longer_an_answer_takes_the_later_the_next_one_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, took: float, pause: float
) -> None:
    moments = iter([100.0, 100.0 + took])
    monkeypatch.setattr(looking.time, "perf_counter", lambda: next(moments))
    assert PollingWatcher(lambda: status_of_project(snapshot())).pause == pytest.approx(pause)
