"""The simulator of `python -m bench.autoscale`: what it counts, and what the decision of composectl comes to in it."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from bench.autoscale.__main__ import BOUNDS, STARTS, Cell, play, play_all, summary, table, with_tables, worse
from bench.autoscale.deciders import DECIDERS, Look
from bench.autoscale.picture import picture
from bench.autoscale.simulation import PLACES, simulate
from bench.autoscale.traces import SECONDS, TRACES

SEEDS = range(1, 6)


class Always:
    """The same number at each look; `looks` has what it saw."""

    interval = 1.0

    def __init__(self, desired: int) -> None:
        self.desired = desired
        self.looks: list[Look] = []

    def decide(self, look: Look) -> int:
        self.looks.append(look)
        return self.desired


def test_with_room_for_all_none_waits_and_replicas_cost_what_they_are_there() -> None:
    outcome = simulate([float(second) for second in range(100)], Always(3), 5.0, 3)
    assert set(outcome.waits) == {0.0}
    assert outcome.replica_seconds == pytest.approx(3 * outcome.curve[-1][0], rel=0.02)
    assert outcome.changes == 0


def test_what_has_no_place_waits_for_one_and_the_load_counts_it() -> None:
    decider = Always(1)
    outcome = simulate([*[0.0] * (PLACES + 1), 60.0], decider, 5.0, 1)
    assert [wait > 0 for wait in outcome.waits] == [*[False] * PLACES, True, False]
    queued = decider.looks[-1].load - decider.looks[-1].busy
    assert queued == pytest.approx(max(outcome.waits))


def test_a_replica_takes_its_time_to_start() -> None:
    outcome = simulate([float(second) for second in range(60)], Always(2), 20.0, 1)
    assert [ready for at, _, _, ready in outcome.curve if at < 20] == [1] * 40
    assert {ready for at, _, _, ready in outcome.curve if at > 20.5} == {2}


@pytest.mark.parametrize(("trace", "start"), [("spike", 5.0), ("on/off", 0.5)])
def test_where_load_comes_suddenly_none_waits_longer_than_with_a_kpa(trace: str, start: float) -> None:
    ours, kpa, hpa = (play(trace, start, make, 1) for make in DECIDERS.values())
    assert ours.p99 <= 1.05 * kpa.p99
    assert ours.replica_seconds <= kpa.replica_seconds
    assert hpa.p99 > 4 * ours.p99
    assert all(BOUNDS.least <= desired <= BOUNDS.most for _, _, desired, _ in ours.curve)


@pytest.mark.slow
@pytest.mark.serial
def test_no_cell_is_worse_than_a_kpa() -> None:
    cells = play_all(SEEDS, processes=2)
    assert len(cells) == len(TRACES) * len(STARTS)
    assert worse(cells) == []


def test_the_tables_have_a_row_for_each_cell_and_one_for_each_trace() -> None:
    cells = [Cell(trace, 5.0, (90.0, 100.0, 50.0), (2.0, 4.0, 9.0), (1, 2, 3)) for trace in TRACES]
    assert list(table(cells))[2] == "| step | 5 | 90 / 100 / 50 | 0.900 | 2.00 / 4.00 / 9.00 | 0.500 | 1 / 2 / 3 |"
    assert list(summary(cells))[2] == "| step | 0.900 | 0.500 |"
    assert len(list(table(cells))) == len(list(summary(cells))) == 2 + len(TRACES)


def test_a_cell_is_worse_by_its_p99_or_by_its_replica_seconds() -> None:
    good, late = Cell("ramp", 5.0, (100, 100, 1), (1.05, 1, 1), (1, 1, 1)), (1.06, 1.0, 1.0)
    cells = [
        good,
        Cell("step", 5.0, (100, 100, 1), late, (1, 1, 1)),
        Cell("spike", 20.0, (101, 100, 1), (1, 1, 1), (1,)),
    ]
    assert worse(cells) == [
        "step, 5 s to start: 1.000 x the replica-seconds of the KPA, 1.060 x its p99",
        "spike, 20 s to start: 1.010 x the replica-seconds of the KPA, 1.000 x its p99",
    ]


def test_tables_replace_those_of_a_page() -> None:
    page = "a\n<!-- one -->\nold\n<!-- end -->\nb\n<!-- two -->\n<!-- end -->\nc\n"
    written = with_tables(page, {"one": ["1"], "two": ["2", "3"]})
    assert written == "a\n<!-- one -->\n1\n<!-- end -->\nb\n<!-- two -->\n2\n3\n<!-- end -->\nc\n"
    assert with_tables(written, {"one": ["1"], "two": ["2", "3"]}) == written


def test_the_picture_can_be_read() -> None:
    curve = [(0.0, 1.0, 1, 1), (1.0, 9.0, 3, 1), (2.0, 2.0, 3, 3)]
    root = ElementTree.fromstring(picture("By <load>", {"a & b": curve}, SECONDS))
    assert [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")][-3:] == ["a & b", "9", "3"]
