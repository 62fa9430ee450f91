"""Moments and durations as people read them."""

from datetime import datetime

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR


def time_of_day(at: float | str) -> str:
    """The local time, from epoch seconds or ISO 8601."""
    return f"{_moment(at).astimezone():%H:%M:%S}"


def uptime(since: str, now: float) -> str:
    """How long since the ISO 8601 moment `since`, in its two largest units; `now` in epoch seconds."""
    seconds = max(0, int(now - _moment(since).timestamp()))
    if seconds < _MINUTE:
        return f"{seconds}s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE}m {seconds % _MINUTE:02}s"
    if seconds < _DAY:
        return f"{seconds // _HOUR}h {seconds % _HOUR // _MINUTE:02}m"
    return f"{seconds // _DAY}d {seconds % _DAY // _HOUR:02}h"


# Private


def _moment(at: float | str) -> datetime:
    return datetime.fromisoformat(at) if isinstance(at, str) else datetime.fromtimestamp(at)
