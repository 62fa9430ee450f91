"""What the terminal before us can do, and rich's view of it."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import select
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

# Wide enough for every column and any name; a pipe cuts nothing.
_PIPE_WIDTH = 10_000
_STAND_INS = str.maketrans("━╸▁▂▃▄▅▆▇…", "=-_.,:;!|~")
_NAME = "composectl.stand-ins"
_SHOWN = "\x1b[?25h"


def is_terminal(stream: TextIO) -> bool:
    """Whether what is on `stream` can be drawn over."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def console_on(stream: TextIO) -> Console:
    """A console on `stream`: colour on a terminal only, and none at all with NO_COLOR."""
    # Importing rich takes longer than many a command.
    from rich.console import Console

    terminal = is_terminal(stream)
    return Console(
        file=encode_safely(stream),
        force_terminal=terminal,
        color_system="auto" if terminal and not os.environ.get("NO_COLOR") else None,
        width=None if stream.isatty() else _PIPE_WIDTH,
        legacy_windows=False if sys.platform != "win32" else None,
        markup=False,
        emoji=False,
        highlight=False,
    )


def encode_safely(stream: TextIO) -> TextIO:
    """`stream`, which from now on writes a stand-in where its encoding has no sign."""
    if isinstance(stream, io.TextIOWrapper):
        codecs.register_error(_NAME, _stand_in)
        stream.reconfigure(errors=_NAME)
    return stream


def show_cursor(stream: TextIO) -> None:
    """Show it again, on a terminal that takes a line now."""
    if is_terminal(stream) and select.select([], [stream], [], 0)[1]:
        stream.write(f"{_SHOWN}\n")
        stream.flush()


def in_foreground() -> bool:
    """Whether this process may set the terminal on stdin: a background job that does is stopped for it (SIGTTOU)."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError, AttributeError):
        return False


@contextlib.contextmanager
def no_echo() -> Iterator[None]:
    """Keep the terminal from echoing what is typed; Ctrl-C and Ctrl-Z work on."""
    if sys.platform == "win32" or not in_foreground():
        yield
        return
    import termios

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    termios.tcsetattr(descriptor, termios.TCSANOW, [*before[:3], before[3] & ~termios.ECHO, *before[4:]])
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(descriptor, termios.TCSANOW, before)


def key_settings(attributes: Sequence[Any]) -> list[int]:
    """What `tcgetattr` tells of how keys are read: the flags, the group in the foreground, and two characters."""
    import termios

    characters = (attributes[6][at] for at in (termios.VMIN, termios.VTIME))
    return [attributes[3], os.getpgrp(), *(each if isinstance(each, int) else ord(each) for each in characters)]


def restore_settings(descriptor: int, settings: Sequence[int]) -> None:
    """Set how keys are read, unless another program has come to the foreground meanwhile."""
    import termios

    flags, group, *characters = settings
    with contextlib.suppress(OSError, termios.error):
        if os.tcgetpgrp(descriptor) == group:
            attributes = termios.tcgetattr(descriptor)
            attributes[3] = flags
            attributes[6][termios.VMIN], attributes[6][termios.VTIME] = (bytes([each]) for each in characters)
            termios.tcsetattr(descriptor, termios.TCSANOW, attributes)


# Private


def _stand_in(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end].translate(_STAND_INS)
    return "".join(sign if sign.isascii() else "?" for sign in signs), error.end
