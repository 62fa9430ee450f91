"""Lines are shared fairly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composectl.screen.layout import ServiceLines, fit_rows, lines_needed, split_lines
from tests.support.examples import examples


@pytest.mark.parametrize(
    ("lines", "wants", "parts"),
    [
        (30, [10, 10], [10, 10]),
        (30, [100, 100], [15, 15]),
        (30, [100, 6], [24, 6]),
        (30, [100, 6, 100], [12, 6, 12]),
        (2, [5, 5, 5], [0, 1, 1]),
        (5, [], []),
    ],
)
def test_a_part_that_needs_little_leaves_the_rest_to_others(lines: int, wants: list[int], parts: list[int]) -> None:
    assert split_lines(lines, wants) == parts


def test_all_is_shown_where_there_is_room() -> None:
    assert fit_rows(lines_needed(10, 5), 10, 5) == ServiceLines(10, 5, spaced=True)


def test_changes_give_way_to_rows() -> None:
    assert fit_rows(18, 10, 5) == ServiceLines(10, 3, spaced=True)
    assert fit_rows(14, 10, 5) == ServiceLines(10, 0, spaced=True)


def test_one_line_is_kept_for_the_rows_left_out() -> None:
    room = fit_rows(24, 100, 5)
    assert room.spaced
    assert room == ServiceLines(14, 4, spaced=True)


@examples(100)
@given(st.integers(3, 100), st.integers(0, 200), st.integers(0, 5), st.integers(0, 9), st.integers(0, 3))
def test_what_is_shown_fits(lines: int, rows: int, changes: int, waiting: int, notices: int) -> None:
    room = fit_rows(lines, rows, changes, waiting, notices)
    heading = 1 if room.rows else 0
    others = 1 if room.rows < rows else 0
    parts = sum(room.spaced + part for part in (room.changes, room.waiting) if part)
    taken = 2 + room.notices + room.spaced + heading + room.rows + others + parts
    assert taken <= lines or (rows == 0 and room.rows == 0)
    assert 0 <= room.rows <= rows
    assert 0 <= room.changes <= changes
    assert 0 <= room.waiting <= waiting
    assert 0 <= room.notices <= notices
