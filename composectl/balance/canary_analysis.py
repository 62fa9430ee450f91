"""Canary analysis: whether new backends fail significantly more requests than the old ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt

from composectl.balance.backend import Counters

_DEVIATIONS = 2.0  # 19 times in 20 the rate is between the bounds
_MIN_ERRORS = 3


@dataclass(frozen=True, slots=True)
class ErrorRate:
    """The number of requests that have ended, and of the errors among them."""

    requests: int
    errors: int

    def since(self, earlier: ErrorRate) -> ErrorRate:
        """What was added after `earlier`."""
        return ErrorRate(self.requests - earlier.requests, self.errors - earlier.errors)


def error_rate(counters: Iterable[Counters]) -> ErrorRate:
    """The sum; errors are responses of 5xx, missing responses, and attempts that were retried elsewhere."""
    requests = errors = 0
    for each in counters:
        lost = each.failed + each.retried
        requests += sum(each.responses) + lost
        errors += each.responses[5] + lost
    return ErrorRate(requests, errors)


def is_significantly_worse(new: ErrorRate, old: ErrorRate) -> bool:
    """Whether `new` has at least 3 errors and a rate above that of `old` beyond what chance explains.

    The bounds of both rates are Wilson's, for 2 standard deviations. An `old` without requests is taken to fail half.
    """
    if new.errors < _MIN_ERRORS:
        return False
    return _bounds(new)[0] > (_bounds(old)[1] if old.requests else 0.5)


# Private


def _bounds(observed: ErrorRate) -> tuple[float, float]:
    requests, rate, square = observed.requests, observed.errors / observed.requests, _DEVIATIONS**2
    middle = rate + square / (2 * requests)
    margin = _DEVIATIONS * sqrt(rate * (1 - rate) / requests + square / (4 * requests**2))
    return (middle - margin) / (1 + square / requests), (middle + margin) / (1 + square / requests)
