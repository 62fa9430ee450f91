"""A change as one plain line, for where there is no terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from composectl.balance.backend import Transition
from composectl.balance.snapshot import ChangeView
from composectl.sanitize import sanitize
from composectl.screen.terminal import console_on, is_terminal

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR


def change_line(who: str, change: Transition | ChangeView) -> str:
    """`12:03:44 echo-3 starting -> ready: its port accepts`."""
    return f"{time_of_day(change.at)} {transition_line(who, change)}"


def transition_line(who: str, change: Transition | ChangeView) -> str:
    """The same without the time."""
    why = f": {change.reason}" if change.reason else ""
    return sanitize(f"{who} {change.before} -> {change.after}{why}")


@contextlib.contextmanager
def spinner(message: str) -> Iterator[Callable[[str], None]]:
    """A spinner beside `message`, which the yielded callable replaces; one plain line where there is no terminal."""
    if is_terminal(sys.stderr):
        with _spinner(message) as update:
            yield update
    else:
        sys.stderr.write(f"{sanitize(message)}\n")
        sys.stderr.flush()
        yield lambda text: None


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


def print_progress(lines: Iterable[str]) -> int:
    """Each line as it comes, to the last; the exit code. Raises what `lines` raise.

    Ctrl-C leaves the running composectl at it, and says so.
    """
    try:
        for line in lines:
            info(line)
    except KeyboardInterrupt:
        info("the running composectl goes on with it: `composectl status` shows how far it is")
        raise
    return 0


def info(line: str) -> None:
    """One line."""
    sys.stderr.write(sanitize(line) + "\n")


# Private


@contextlib.contextmanager
def _spinner(message: str) -> Iterator[Callable[[str], None]]:
    from rich.text import Text

    with console_on(sys.stderr).status(Text(sanitize(message)), spinner_style="cyan") as status:
        yield lambda text: status.update(Text(sanitize(text)))


def _moment(at: float | str) -> datetime:
    return datetime.fromisoformat(at) if isinstance(at, str) else datetime.fromtimestamp(at)
