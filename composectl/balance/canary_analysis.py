"""Whether new backends do clearly worse than the old ones: a judgement on counts, as a pure function."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt

from composectl.balance.backend import Tally

_DEVIATIONS = 2.0  # 19 times in 20 the rate is between the bounds
_FEWEST = 3
_HALF = 0.5


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of requests: how many are over, and how many of these ended badly."""

    ended: int
    bad: int

    def since(self, earlier: Outcome) -> Outcome:
        """What has come to it after `earlier`."""
        return Outcome(self.ended - earlier.ended, self.bad - earlier.bad)


def outcome_of(tallies: Iterable[Tally]) -> Outcome:
    """Their sum. Bad is an answer of 5xx, one that did not come, and an attempt that another backend had to save."""
    counted = [_outcome(one) for one in tallies]
    return Outcome(sum(one.ended for one in counted), sum(one.bad for one in counted))


def is_clearly_worse(new: Outcome, old: Outcome) -> bool:
    """Whether at least 3 requests of `new` ended badly, and its rate is above that of `old` for all that chance may do.

    The bounds of both rates are Wilson's, for 2 standard deviations. An `old` without requests is taken to fail half.
    """
    if new.bad < _FEWEST:
        return False
    return _bounds(new)[0] > (_bounds(old)[1] if old.ended else _HALF)


# Private


def _outcome(tally: Tally) -> Outcome:
    bad = tally.failed + tally.retried + tally.responses[5]
    return Outcome(sum(tally.responses) + tally.failed + tally.retried, bad)


def _bounds(outcome: Outcome) -> tuple[float, float]:
    ended, rate, square = outcome.ended, outcome.bad / outcome.ended, _DEVIATIONS**2
    middle = rate + square / (2 * ended)
    reach = _DEVIATIONS * sqrt(rate * (1 - rate) / ended + square / (4 * ended**2))
    return (middle - reach) / (1 + square / ended), (middle + reach) / (1 + square / ended)
