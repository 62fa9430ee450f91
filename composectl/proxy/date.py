"""The date of a response, written anew once a second."""

from __future__ import annotations

from email.utils import formatdate
from functools import lru_cache
from time import time


def http_date() -> bytes:
    """The time as RFC 9110, section 5.6.7, writes it."""
    return _written(int(time()))


# Private


@lru_cache(1)
def _written(seconds: int) -> bytes:
    return formatdate(seconds, usegmt=True).encode()
