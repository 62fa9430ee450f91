"""`composectl logs --balancer`: the log of the composectl that runs, or ran, in the background."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from composectl import errors
from composectl.compose.options import Invocation
from composectl.control.client import meant
from composectl.control.paths import before, newest_log, runtime_folder, state_folder, stem_of_log
from composectl.sanitize import sanitize

_FOLLOW = ("-f", "--follow")
_LOOK_EVERY = 0.25


def balancer_log(invocation: Invocation, arguments: Sequence[str]) -> int:
    """Print it; with `-f` also what is written until that composectl has ended. Raises ComposectlError."""
    for word in arguments:
        if word not in _FOLLOW:
            raise errors.not_of_the_balancer(word)
    name, directory = meant(invocation)
    log = newest_log(state_folder(invocation.environ), name.lower(), str(directory or ""))
    if log is None:
        raise errors.no_log(name)
    if before(log).exists():
        _copy(before(log).open("rb"))
    if not arguments:
        _copy(log.open("rb"))
    else:
        _follow(log, runtime_folder(invocation.environ) / f"{stem_of_log(log)}.sock")
    return 0


# Private


def _copy(log: IO[bytes]) -> None:
    with log:
        _print_rest(log)


def _follow(log: Path, control: Path) -> None:
    """Go on for as long as the control socket is there, and once more."""
    opened, goes_on = log.open("rb"), True
    while goes_on:
        goes_on = control.exists()
        _print_rest(opened)
        if _has_turned(opened, log):
            _copy(opened)
            opened = log.open("rb")
        time.sleep(_LOOK_EVERY)
    _copy(opened)


def _has_turned(opened: IO[bytes], log: Path) -> bool:
    """Whether there is another file of that name by now."""
    try:
        return not os.path.samestat(os.fstat(opened.fileno()), log.stat())
    except FileNotFoundError:
        return False


def _print_rest(log: IO[bytes]) -> None:
    for line in log:
        text = line.decode(errors="replace").removesuffix("\n")
        sys.stdout.write(sanitize(text) + "\n" * line.endswith(b"\n"))
    sys.stdout.flush()
