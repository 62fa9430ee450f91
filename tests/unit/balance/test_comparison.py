"""When new backends do clearly worse than the old ones."""

import pytest

from composectl.balance.backend import Tally
from composectl.balance.canary_analysis import Outcome, is_clearly_worse, outcome_of


@pytest.mark.parametrize(
    ("new", "old"),
    [
        (Outcome(3, 3), Outcome(6, 0)),
        (Outcome(50, 50), Outcome(50, 0)),
        (Outcome(100, 10), Outcome(1000, 5)),
        (Outcome(100, 60), Outcome(100, 20)),
        (Outcome(5, 5), Outcome(0, 0)),
    ],
)
def test_a_rate_far_above_the_old_ones_is_clearly_worse(new: Outcome, old: Outcome) -> None:
    assert is_clearly_worse(new, old)


@pytest.mark.parametrize(
    ("new", "old"),
    [
        (Outcome(0, 0), Outcome(0, 0)),
        (Outcome(0, 0), Outcome(100, 0)),
        (Outcome(100, 0), Outcome(100, 50)),
        (Outcome(2, 2), Outcome(1000, 0)),
        (Outcome(100, 50), Outcome(100, 50)),
        (Outcome(3, 3), Outcome(2, 0)),
        (Outcome(3, 3), Outcome(0, 0)),
        (Outcome(100, 5), Outcome(100, 3)),
        (Outcome(20, 20), Outcome(20, 20)),
    ],
)
def test_a_rate_that_chance_may_explain_is_not(new: Outcome, old: Outcome) -> None:
    assert not is_clearly_worse(new, old)


def test_bad_are_answers_of_5xx_those_that_did_not_come_and_those_that_others_gave() -> None:
    one, other = Tally(), Tally()
    one.responses[2], one.responses[5], one.failed = 10, 2, 3
    other.retried = 4
    assert outcome_of([one, other]) == Outcome(19, 9)


def test_what_came_since_counts_alone() -> None:
    assert Outcome(10, 4).since(Outcome(8, 1)) == Outcome(2, 3)
