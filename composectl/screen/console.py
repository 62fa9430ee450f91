"""Plain lines on stderr, and the words of a change, a moment and a duration."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from composectl import errors
from composectl.balance.backend import Transition
from composectl.balance.snapshot import ChangeView
from composectl.sanitize import sanitize, sanitize_lines
from composectl.screen.terminal import console_on, is_terminal


def change_line(change: Transition | ChangeView) -> str:
    """`12:03:44 shop-echo-3 starting -> ready: its port accepts`."""
    return f"{time_of_day(change.at)} {transition_line(change)}"


def transition_line(change: Transition | ChangeView) -> str:
    """The same without the time."""
    reason = f": {change.reason}" if change.reason else ""
    return sanitize(f"{change.name} {change.before} -> {change.after}{reason}")


@contextlib.contextmanager
def spinner(message: str) -> Iterator[Callable[[str], None]]:
    """A spinner beside `message`, which the yielded callable replaces; one plain line where there is no terminal."""
    if not is_terminal(sys.stderr):
        info(message)
        yield lambda text: None
        return
    from rich.text import Text

    with console_on(sys.stderr).status(Text(sanitize(message)), spinner_style="cyan") as status:
        yield lambda text: status.update(Text(sanitize_lines(text), overflow="ellipsis", no_wrap=True))


def time_of_day(at: float | str) -> str:
    """The local time, from epoch seconds or ISO 8601."""
    return f"{_moment(at).astimezone():%H:%M:%S}"


def reached_at(listeners: Iterable[str], redirect_http: Sequence[str]) -> str:
    """Where a service is reached, and where plain HTTP is sent on to it; both are `host:port`."""
    return ", ".join(listeners) + (f"; {redirects(redirect_http)}" if redirect_http else "")


def redirects(redirect_http: Sequence[str]) -> str:
    """What such listeners do: they have one port."""
    return f"port {redirect_http[0].rpartition(':')[2]} redirects to https"


def uptime(since: str, now: float) -> str:
    """How long since the ISO 8601 moment `since`, in its two largest units; `now` in epoch seconds."""
    minutes, seconds = divmod(max(0, int(now - _moment(since).timestamp())), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours:02}h"
    if hours:
        return f"{hours}h {minutes:02}m"
    return f"{minutes}m {seconds:02}s" if minutes else f"{seconds}s"


def print_progress(lines: Iterable[str]) -> int:
    """Print each line as it comes; the exit code. Raises what `lines` raise; Ctrl-C does not stop the work."""
    try:
        for line in lines:
            info(line)
    except KeyboardInterrupt:
        info("the running composectl continues: `composectl status` shows the progress")
        raise
    return 0


def info(line: str) -> None:
    """Print one line on stderr."""
    sys.stderr.write(f"{sanitize(line)}\n")


def warning(line: str) -> None:
    """Print one line on stderr, as a warning."""
    info(f"warning: {line}")


def print_error(error: errors.ComposectlError) -> None:
    """Print an error and its hint on stderr, as the command itself does."""
    hint = f"\n\nhint: {sanitize(error.hint)}" if error.hint else ""
    sys.stderr.write(f"error: {sanitize_lines(error.message)}{hint}\n")


# Private


def _moment(at: float | str) -> datetime:
    return datetime.fromisoformat(at) if isinstance(at, str) else datetime.fromtimestamp(at)
