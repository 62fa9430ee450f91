"""How many files, connections among them, this process may have open."""

from __future__ import annotations

import sys

_ENDLESS = 1_048_576


def open_files() -> int:
    """The limit as it is now."""
    if sys.platform == "win32":
        return _ENDLESS
    from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit

    soft, _ = getrlimit(RLIMIT_NOFILE)
    return _ENDLESS if soft == RLIM_INFINITY else soft


def raise_open_files() -> int:
    """Raise the limit as far as it may go; returns it."""
    if sys.platform != "win32":
        from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit, setrlimit

        _, hard = getrlimit(RLIMIT_NOFILE)
        setrlimit(RLIMIT_NOFILE, (_ENDLESS if hard == RLIM_INFINITY else hard, hard))
    return open_files()
