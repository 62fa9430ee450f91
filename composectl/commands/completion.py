"""`composectl completion`: the script by which a shell asks us what may come next, on stdout."""

from __future__ import annotations

import sys
from pathlib import Path

from composectl import errors

_SCRIPTS = Path(__file__).parents[1] / "shells"


def completion(shell: str) -> int:
    """Print it. Raises `unknown_shell`."""
    scripts = {path.suffix.removeprefix("."): path for path in _SCRIPTS.iterdir()}
    if shell not in scripts:
        raise errors.unknown_shell(shell, scripts)
    sys.stdout.write(scripts[shell].read_text())
    return 0
