"""A time as it is typed: `5s`, `500ms`, `2m`, or seconds."""

from __future__ import annotations

import re

from composectl import errors

_DURATION = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)(ms|s|m|)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "": 1.0}


def parse_duration(option: str, text: str) -> float:
    """Its seconds. Raises `bad_duration`."""
    duration = _DURATION.fullmatch(text)
    if duration is None:
        raise errors.bad_duration(option, text)
    return float(duration[1]) * _UNITS[duration[2]]
