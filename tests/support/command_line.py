"""The command line of composectl as these tests run it."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def command_line(*words: str, python: Sequence[str] = (), rights: Sequence[str] = ()) -> list[str]:
    """`composectl WORDS`; `python` are options of the interpreter, `rights` a command that takes rights away."""
    return [*rights, sys.executable, *python, "-m", "composectl", *words]
