"""Moments and durations as people read them."""

from datetime import datetime

import pytest

from composectl.balance.snapshot import iso
from composectl.screen.console import time_of_day, uptime

SINCE = 1_800_000_000.0


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-3, "0s"),
        (0.9, "0s"),
        (59.9, "59s"),
        (60, "1m 00s"),
        (724, "12m 04s"),
        (3600, "1h 00m"),
        (3 * 3600 + 7 * 60 + 59, "3h 07m"),
        (86400 * 2 + 4 * 3600, "2d 04h"),
    ],
)
def test_an_uptime_is_told_in_its_two_largest_units(seconds: float, shown: str) -> None:
    assert uptime(iso(SINCE), SINCE + seconds) == shown


def test_a_moment_is_told_in_local_time_however_it_is_written() -> None:
    local = datetime.fromtimestamp(SINCE).strftime("%H:%M:%S")
    assert time_of_day(SINCE) == time_of_day(iso(SINCE)) == local
