"""When new backends do clearly worse than the old ones."""

import pytest

from composectl.balance.backend import Counters
from composectl.balance.canary_analysis import ErrorRate, error_rate, is_significantly_worse


@pytest.mark.parametrize(
    ("new", "old"),
    [
        (ErrorRate(3, 3), ErrorRate(6, 0)),
        (ErrorRate(50, 50), ErrorRate(50, 0)),
        (ErrorRate(100, 10), ErrorRate(1000, 5)),
        (ErrorRate(100, 60), ErrorRate(100, 20)),
        (ErrorRate(5, 5), ErrorRate(0, 0)),
    ],
)
def test_a_rate_far_above_the_old_ones_is_clearly_worse(new: ErrorRate, old: ErrorRate) -> None:
    assert is_significantly_worse(new, old)


@pytest.mark.parametrize(
    ("new", "old"),
    [
        (ErrorRate(0, 0), ErrorRate(0, 0)),
        (ErrorRate(0, 0), ErrorRate(100, 0)),
        (ErrorRate(100, 0), ErrorRate(100, 50)),
        (ErrorRate(2, 2), ErrorRate(1000, 0)),
        (ErrorRate(100, 50), ErrorRate(100, 50)),
        (ErrorRate(3, 3), ErrorRate(2, 0)),
        (ErrorRate(3, 3), ErrorRate(0, 0)),
        (ErrorRate(100, 5), ErrorRate(100, 3)),
        (ErrorRate(20, 20), ErrorRate(20, 20)),
    ],
)
def test_a_rate_that_chance_may_explain_is_not(new: ErrorRate, old: ErrorRate) -> None:
    assert not is_significantly_worse(new, old)


def test_errors_are_5xx_missing_and_retried_responses() -> None:
    first, second = Counters(), Counters()
    first.responses[2], first.responses[5], first.failed = 10, 2, 3
    second.retried = 4
    assert error_rate([first, second]) == ErrorRate(19, 9)


def test_what_came_since_counts_alone() -> None:
    assert ErrorRate(10, 4).since(ErrorRate(8, 1)) == ErrorRate(2, 3)
