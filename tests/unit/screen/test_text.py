"""Numbers as people read them."""

import pytest

from composectl.screen.text import bar, count, figure, percent, recent, size, sparkline


def test_a_count_is_grouped_by_thousands() -> None:
    assert count(12345678) == "12,345,678"


@pytest.mark.parametrize(
    ("number", "shown"),
    [(None, "-"), (0, "0.0"), (0.84, "0.8"), (99.94, "99.9"), (99.95, "100"), (1234.5, "1,234")],
)
def test_a_figure_is_as_exact_as_it_is_small(number: float | None, shown: str) -> None:
    assert figure(number) == shown


@pytest.mark.parametrize(("part", "whole", "shown"), [(0, 0, "-"), (0, 9, "0.0%"), (1, 8, "12.5%"), (9, 9, "100%")])
def test_a_share_is_told_in_percent(part: int, whole: int, shown: str) -> None:
    assert percent(part, whole) == shown


@pytest.mark.parametrize(
    ("part", "whole", "drawn"), [(0, 0, ""), (0, 9, ""), (9, 9, "━━━━"), (1, 2, "━━"), (5, 8, "━━╸")]
)
def test_a_bar_is_drawn_to_the_half_cell(part: int, whole: int, drawn: str) -> None:
    assert bar(part, whole, 4) == drawn


def test_the_recent_rate_is_the_mean_of_five_seconds() -> None:
    assert recent([1000, 10, 20, 30, 40, 50]) == 30
    assert recent([7]) == 7
    assert recent([]) == 0


@pytest.mark.parametrize(
    ("seconds", "drawn"),
    [
        ([], ""),
        ([0, 0], "▁▁"),
        ([0, 1, 2, 3, 4, 5, 6], "▁▂▃▄▅▆▇"),
        ([0, 1, 1000], "▁▂▇"),
        ([9, 9], "▇▇"),
    ],
)
def test_a_sparkline_rises_from_nothing_to_its_peak(seconds: list[int], drawn: str) -> None:
    assert sparkline(seconds, 60) == drawn


def test_a_short_sparkline_shows_the_newest() -> None:
    assert sparkline([100, 0, 0, 6, 3], 2) == "▇▄"
    assert sparkline([1, 2], 0) == ""


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (12_345, "12.3 kB"), (999_999, "1.0 MB"), (150e9, "150 GB")],
)
def test_bytes_have_a_unit(number: float, text: str) -> None:
    assert size(number) == text
