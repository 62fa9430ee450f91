"""Waiting until something is true, with a bound."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(tell: Callable[[], T], *, within: float = 30.0) -> T:
    """The first true answer of `tell`; after `within` seconds its last one, whatever it is."""
    deadline = time.monotonic() + within
    while not (answer := tell()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return answer
