"""Numbers as people read them: counts, rates, shares, bars, sparklines."""

from collections.abc import Sequence

# Without the full block, whose lines would run into each other.
_LEVELS = "▁▂▃▄▅▆▇"
_RECENT = 5


def count(number: int) -> str:
    """`12,345`."""
    return f"{number:,}"


def figure(number: float | None) -> str:
    """A measured number: one decimal below a hundred, none above, `-` where nothing was measured."""
    if number is None:
        return "-"
    return f"{number:.1f}" if number < 99.95 else f"{number:,.0f}"


def percent(part: int, whole: int) -> str:
    """`10.1%`; `-` of nothing."""
    if not whole:
        return "-"
    return "100%" if part == whole else f"{100 * part / whole:.1f}%"


def recent(seconds: Sequence[int]) -> float:
    """The mean of the last five seconds at most."""
    last = seconds[-_RECENT:]
    return sum(last) / len(last) if last else 0.0


def bar(part: int, whole: int, width: int) -> str:
    """A line of at most `width` cells for `part` of `whole`, drawn to the half cell."""
    halves = round(2 * width * part / whole) if whole else 0
    return "━" * (halves // 2) + "╸" * (halves % 2)


def sparkline(seconds: Sequence[int], width: int) -> str:
    """The newest `width` values, one cell each; zero alone is drawn lowest."""
    newest = seconds[-width:] if width > 0 else ()
    peak = max(newest, default=0)
    return "".join(_LEVELS[_level(value, peak)] for value in newest)


# Private


def _level(value: int, peak: int) -> int:
    return -(-value * (len(_LEVELS) - 1) // peak) if value > 0 else 0
