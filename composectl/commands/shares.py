"""A share as it is typed: `10%`."""

from __future__ import annotations

import re

from composectl import errors

_SHARE = re.compile(r"([0-9]{1,2}(?:\.[0-9]{1,2})?)%")


def parse_share(option: str, text: str) -> float:
    """The part of 1, above 0 and below 1. Raises `bad_share`."""
    share = _SHARE.fullmatch(text)
    if share is None or not float(share[1]):
        raise errors.bad_share(option, text)
    return float(share[1]) / 100
