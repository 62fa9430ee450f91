"""A word on stderr while something takes its time."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from composectl.screen.harmless import harmless
from composectl.screen.terminal import console_on, is_terminal


@contextlib.contextmanager
def waiting(message: str) -> Iterator[Callable[[str], None]]:
    """A spinner beside `message`, which the yielded callable replaces; one plain line where there is no terminal."""
    if is_terminal(sys.stderr):
        with _spinner(message) as update:
            yield update
    else:
        sys.stderr.write(f"{harmless(message)}\n")
        sys.stderr.flush()
        yield lambda text: None


# Private


@contextlib.contextmanager
def _spinner(message: str) -> Iterator[Callable[[str], None]]:
    from rich.text import Text

    with console_on(sys.stderr).status(Text(harmless(message)), spinner_style="cyan") as status:
        yield lambda text: status.update(Text(harmless(text)))
