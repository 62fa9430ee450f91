"""Signals, however Docker writes them."""

import pytest

from composectl.engine.containers import signal_number


@pytest.mark.parametrize("text", ["SIGTERM", "TERM", "sigterm", "15"])
def test_every_way_to_write_a_signal_gives_its_number(text: str) -> None:
    assert signal_number(text) == 15


@pytest.mark.parametrize(
    ("text", "number"),
    [("HUP", 1), ("KILL", 9), ("USR1", 10), ("USR2", 12), ("WINCH", 28), ("SYS", 31), ("RTMIN+3", 37), ("RTMAX-1", 63)],
)
def test_the_numbers_are_those_of_linux(text: str, number: int) -> None:
    assert signal_number(text) == number


@pytest.mark.parametrize("text", ["", "SIGNAL", "-9"])
def test_what_is_no_signal_is_0(text: str) -> None:
    assert signal_number(text) == 0
