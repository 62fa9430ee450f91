"""A process that may open no more files."""

from __future__ import annotations

import gc
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager

_COLLECTIONS = 3


@contextmanager
def exhausted() -> Iterator[None]:
    """While entered, this process may open no file."""
    _close_garbage()
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, before[1]))
    filling = _take_all()
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for descriptor in filling:
            os.close(descriptor)


def in_use() -> int:
    """How many files this process has open."""
    _close_garbage()
    return len(os.listdir("/proc/self/fd"))


# Private


def _close_garbage() -> None:
    """Close what earlier tests have left, as it would be closed at any time else."""
    for _ in range(_COLLECTIONS):  # what ends may leave garbage itself
        gc.collect()


def _take_all() -> list[int]:
    taken: list[int] = []
    try:
        while True:
            taken.append(os.dup(0))
    except OSError:
        return taken
