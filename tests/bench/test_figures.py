"""Ratios are made within a round, so that the drift of a machine does not matter."""

from __future__ import annotations

from bench.figures import Figure, Row
from tests.support.bench_results import samples

CPU = Figure("CPU", "µs")
OURS, THEIRS = Row("composectl"), Row("nginx")


def test_a_machine_that_slows_down_changes_medians_and_no_ratio() -> None:
    made = samples({THEIRS: [{CPU: 10}, {CPU: 20}, {CPU: 40}], OURS: [{CPU: 15}, {CPU: 30}, {CPU: 60}]})
    assert made.median(CPU, OURS) == 30
    assert made.range(CPU, OURS) == (15, 60)
    assert made.ratio(CPU, OURS, THEIRS) == 1.5


def test_one_disturbed_round_does_not_move_the_ratio() -> None:
    made = samples({THEIRS: [{CPU: 10}, {CPU: 10}, {CPU: 10}], OURS: [{CPU: 15}, {CPU: 90}, {CPU: 15}]})
    assert made.ratio(CPU, OURS, THEIRS) == 1.5


def test_a_proxy_without_figures_has_no_ratio() -> None:
    made = samples({OURS: [{CPU: 15}]})
    assert made.ratio(CPU, OURS, THEIRS) is None
    assert made.ratio(CPU, THEIRS, OURS) is None
    assert made.rows(CPU) == [OURS]
