"""Every policy, and each of them with a slow start."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count

from composectl.balance.policy import POLICIES, Policy, SlowStart


def slowly(make: Callable[[], Policy], seconds: float) -> Policy:
    """It looks at the clock once for each request, and each time a second has passed."""
    return SlowStart(make(), seconds, partial(next, count()))


SLOW: dict[str, Callable[[], Policy]] = {
    f"{name}, {when}": partial(slowly, POLICIES[name], seconds)
    for name in POLICIES
    for when, seconds in {"at once": 1, "slowly": 20}.items()
}
ALL_POLICIES = POLICIES | SLOW
