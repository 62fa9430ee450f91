"""Every policy, and each of them with a slow start; those that draw always draw the same."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from itertools import count

from composectl.balance.policy import POLICIES, Policy, PowerOfTwoChoices, Random, SlowStart


def slowly(make: Callable[[], Policy], seconds: float) -> Policy:
    """It looks at the clock once for each request, and each time a second has passed."""
    return SlowStart(make(), seconds, partial(next, count()))


SEEDED: dict[str, Callable[[], Policy]] = POLICIES | {
    "random": lambda: Random(random.Random(1)),
    "p2c": lambda: PowerOfTwoChoices(random.Random(1)),
}
SLOW: dict[str, Callable[[], Policy]] = {
    f"{name}, {when}": partial(slowly, SEEDED[name], seconds)
    for name in SEEDED
    for when, seconds in {"at once": 1, "slowly": 20}.items()
}
ALL_POLICIES = SEEDED | SLOW
