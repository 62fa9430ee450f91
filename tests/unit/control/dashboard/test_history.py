"""The last minutes, second by second."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from itertools import count
from typing import Any

from composectl.balance.pool import Pool
from composectl.control.dashboard.history import RECENT, SECONDS, History
from tests.support.factories import RecordedPool, replica


class Scene:
    """A history of one service, of which a second is sampled when `over` is called."""

    def __init__(self, backends: int) -> None:
        self.watched = RecordedPool(backends)
        self.history = History()
        self._clock = count(1000)
        self.over()

    @property
    def pool(self) -> Pool:
        return self.watched.pool

    def answers(self, status: int = 200, microseconds: int = 1000) -> None:
        """One request, answered by the backend that gets it."""
        lease = self.pool.leases.acquire()
        assert lease
        lease.answered(status, microseconds)

    def over(self, seconds: int = 1) -> None:
        for _ in range(seconds):
            deque(self.history.sampling([self.pool], float(next(self._clock))), maxlen=0)

    @property
    def frames(self) -> list[dict[str, Any]]:
        frames = json.loads(self.history.whole())
        assert isinstance(frames, list)
        return frames

    @property
    def last(self) -> dict[str, Any]:
        """The last frame of the service."""
        frame = self.frames[-1]["services"]["echo"]
        assert isinstance(frame, dict)
        return frame


def requests(row: Sequence[Any]) -> Any:
    return row[2]


def errors(row: Sequence[Any]) -> Any:
    return row[3]


def p95(row: Sequence[Any]) -> Any:
    return row[5]


def phase(row: Sequence[Any]) -> Any:
    return row[6]


def test_nothing_is_told_before_the_first_second() -> None:
    assert json.loads(History().whole()) == []
    assert json.loads(History().recent()) == []


def test_each_second_tells_what_came_in_it() -> None:
    scene = Scene(1)
    for status in (200, 404, 500):
        scene.answers(status)
    scene.over()
    scene.answers()
    scene.over(2)
    rows = [frame["services"]["echo"]["backends"][0] for frame in scene.frames]
    assert [requests(row) for row in rows] == [0, 3, 1, 0]
    assert [errors(row) for row in rows] == [0, 1, 0, 0]


def test_a_request_that_fails_is_an_error() -> None:
    scene = Scene(1)
    lease = scene.pool.leases.acquire()
    assert lease
    lease.failed("backend-hung-up")
    scene.over()
    assert errors(scene.last["backends"][0]) == 1


def test_seconds_are_numbered_and_dated() -> None:
    scene = Scene(1)
    scene.over(2)
    assert [(frame["number"], frame["at"]) for frame in scene.frames] == [(1, 1000), (2, 1001), (3, 1002)]


def test_latencies_are_those_of_the_last_five_seconds_alone() -> None:
    scene = Scene(1)
    scene.answers(microseconds=80_000)
    scene.over(5)
    assert 80 <= p95(scene.last["backends"][0]) <= 90
    scene.answers(microseconds=1000)
    scene.over()
    assert 1 <= p95(scene.last["backends"][0]) < 1.2
    scene.over(5)
    assert p95(scene.last["backends"][0]) is None


def test_the_latency_of_the_service_is_that_of_all_its_backends() -> None:
    scene = Scene(2)
    for microseconds in (1000, 1000, 1000, 50_000):
        scene.answers(microseconds=microseconds)
    scene.over()
    assert scene.last["p50"] < 1.2
    assert scene.last["p95"] > 50


def test_phases_are_told_by_their_names() -> None:
    scene = Scene(2)
    scene.watched.eject(2)
    scene.over()
    assert [phase(row) for row in scene.last["backends"]] == ["ready", "unhealthy"]


def test_a_restarted_container_counts_from_zero() -> None:
    scene = Scene(1)
    scene.answers()
    scene.answers()
    scene.over()
    scene.pool.sync([replica(1, run="2")])
    scene.answers()
    scene.over()
    (row,) = scene.last["backends"]
    assert requests(row) == 1


def test_five_minutes_are_kept_however_long_it_goes_on() -> None:
    scene = Scene(1)
    scene.over(2 * SECONDS)
    assert len(scene.frames) == SECONDS
    assert scene.frames[-1]["number"] == 2 * SECONDS + 1


def test_the_recent_ones_are_the_last_of_all() -> None:
    scene = Scene(1)
    scene.over(3 * RECENT)
    assert json.loads(scene.history.recent()) == scene.frames[-RECENT:]
