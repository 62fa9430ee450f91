"""Why replicas are not ready, in lines: those with the same reason together."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from composectl.balance.waiting import Waiting
from composectl.sanitize import sanitize
from composectl.screen.console import info, spinner
from composectl.screen.terminal import is_terminal

_LINES = 10
_SOON = 2.0  # seconds after which it is worth a line what is waited for
_NUMBERS = re.compile(r"\d+")


def waiting_lines(waiting: Iterable[Waiting], output: int = _LINES) -> list[str]:
    """A line for each reason, then what to do about it, and up to `output` lines that the first container printed."""
    groups: dict[tuple[str, ...], list[Waiting]] = {}
    for replica in waiting:
        key = (replica.service, replica.check, replica.error, replica.state, str(replica.exit_code), replica.hint)
        groups.setdefault(key, []).append(replica)
    lines: list[str] = []
    for group in groups.values():
        first, more = group[0], len(group) - 1
        lines.append(f"{first.name}{f' and {more} more' if more else ''}: {first.sentence}")
        if first.hint:
            lines.append(f"  to do: {first.hint}")
        lines += [f"  | {line}" for line in first.last_lines[-output:]] if output else []
    return [sanitize(line) for line in lines]


@contextmanager
def waiting_spinner(message: str) -> Iterator[Callable[[str], None]]:
    """A spinner beside `message`, and then beside the lines that the yielded callable gets.

    Where there is no terminal, each line is printed once; lines that differ in their numbers alone are the same.
    """
    with spinner(message) as update:
        yield update if is_terminal(sys.stderr) else _printed_once()


# Private


def _printed_once() -> Callable[[str], None]:
    printed: set[str] = set()
    began = time.monotonic()

    def show(text: str) -> None:
        for line in text.splitlines()[1:] if time.monotonic() - began >= _SOON else ():
            if (kind := _NUMBERS.sub("", line)) not in printed:
                printed.add(kind)
                info(line)

    return show
