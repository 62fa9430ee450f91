"""One JSON of the snapshot for all its readers."""

from __future__ import annotations

import json

import pytest

from composectl.balance.snapshot import VERSION, Snapshot
from composectl.control import events
from composectl.control.events import SnapshotCache


def test_it_is_made_anew_only_where_it_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(events.time, "monotonic", lambda: now)
    made: list[int] = []

    def snapshot() -> Snapshot:
        made.append(len(made) + 1)
        return Snapshot(VERSION, "shop", (), pid=made[-1])

    cache = SnapshotCache(snapshot)
    asked = []
    for now, age in ((100.0, 0.4), (100.3, 0.4), (100.3, 0.2), (100.4, 0.4), (100.4, 0.0)):  # noqa: B007
        asked.append(json.loads(cache.json(age))["pid"])
    assert asked == [1, 1, 2, 2, 3]
