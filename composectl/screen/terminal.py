"""What the terminal before us can do, and rich's view of it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TextIO

from composectl.screen.fallback import never_fails

if TYPE_CHECKING:
    from rich.console import Console

# Wide enough for every column and any name; a pipe cuts nothing.
_PIPE_WIDTH = 10_000


def is_terminal(stream: TextIO) -> bool:
    """Whether what is on `stream` can be drawn over."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def console_on(stream: TextIO) -> Console:
    """A console on `stream`: colour on a terminal only, and none at all with NO_COLOR."""
    # Importing rich takes longer than many a command.
    from rich.console import Console

    terminal = is_terminal(stream)
    return Console(
        file=never_fails(stream),
        force_terminal=terminal,
        color_system="auto" if terminal and not os.environ.get("NO_COLOR") else None,
        width=None if stream.isatty() else _PIPE_WIDTH,
        legacy_windows=False if sys.platform != "win32" else None,
        markup=False,
        emoji=False,
        highlight=False,
    )
