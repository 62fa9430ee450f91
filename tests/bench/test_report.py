"""RESULTS.md, the table of the docs and the terminal's say the same figures."""

from __future__ import annotations

import pytest

from bench import text
from bench.figures import FAILED, WAITED, Row
from bench.parts import cpu
from bench.parts.all import PARTS
from bench.report import report
from bench.requirements import verdicts
from bench.summary import BEGIN, END, put_into, summary
from tests.support.bench_results import results


def test_the_page_has_all_parts_with_medians_ranges_and_ratios() -> None:
    page = report(results())
    assert "2026-01-31, on a machine, 2 cores" in page
    assert "| CPU per request against nginx | 1.10 x | at most 1.2 x | met |" in page
    assert "| composectl | 23.1 (22.0-24.2) | 11.6 (11.0-12.1)" in page
    assert "| composectl, backends: 200 | 23.1 (22.0-24.2)" in page
    assert all(f"## {part.title}\n" in page for part in PARTS.values())


def test_a_requirement_that_is_not_met_stands_out() -> None:
    assert "| CPU per request against nginx | 1.70 x | at most 1.2 x | **not met** |" in report(results(composectl=1.7))


def test_each_table_of_the_page_has_as_many_cells_in_every_line() -> None:
    for table in report(results()).split("\n\n"):
        lines = [line for line in table.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) <= 1


def test_the_terminal_shows_the_same() -> None:
    made = results().measured
    lines = text.table(cpu.PART, made["cpu"]).splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["nginx", "composectl"]
    assert lines[2].split()[1:] == ["23.1", "11.6", "11.6", "12", "22.0-24.2", "1.10"]
    first = text.verdict_lines(verdicts(made)).splitlines()[0]
    assert first.split() == ["CPU", "per", "request", "against", "nginx", "1.10", "x", "at", "most", "1.2", "x", "met"]


def test_failed_requests_and_a_busy_machine_are_told() -> None:
    made = results().measured["cpu"]
    made.add(Row("nginx"), {FAILED: 3})
    made.readings[WAITED][Row("nginx")] = [40.0]
    assert text.table(cpu.PART, made).splitlines()[-2:] == [
        "nginx: 3 requests failed",
        "busy machine: a proxy waited 40 % of the time for its core",
    ]


def test_the_page_is_filled_between_its_marks_and_nowhere_else() -> None:
    page = f"before\n{BEGIN}old\n{END}after\n"
    filled = put_into(page, summary(results()))
    assert filled.startswith(f"before\n{BEGIN}| proxy |")
    assert "| composectl | 23.1 |" in filled
    assert "old" not in filled
    assert filled.endswith(f"{END}after\n")
    assert put_into(filled, summary(results())) == filled


def test_a_page_without_marks_is_left_alone() -> None:
    with pytest.raises(ValueError, match="no place"):
        put_into("before\nafter\n", "text")
