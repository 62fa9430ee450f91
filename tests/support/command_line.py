"""The command line of composectl as these tests run it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

TESTED_WORKERS = "COMPOSECTL_TESTED_WORKERS"
"""The variable that has each composectl of the tests balance with so many processes."""


def command_line(*words: str, python: Sequence[str] = (), rights: Sequence[str] = ()) -> list[str]:
    """`composectl WORDS`; `python` are options of the interpreter, `rights` a command that takes rights away."""
    return [*rights, sys.executable, *python, "-m", "composectl", *_with_workers(words)]


# Private


def _with_workers(words: tuple[str, ...]) -> tuple[str, ...]:
    workers = os.environ.get(TESTED_WORKERS, "")
    if not workers or "--workers" in words:
        return words
    if words[:1] == ("proxy",):
        return ("proxy", "--workers", workers, *words[1:])
    if "up" in words and any(word.startswith("--balance") for word in words):
        at = words.index("up") + 1
        return (*words[:at], "--workers", workers, *words[at:])
    return words
