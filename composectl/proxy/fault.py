"""Faults of our own: told once, and nothing else ends by them."""

from __future__ import annotations

import asyncio


def report(fault: BaseException) -> None:
    """Tell the loop's exception handler, which writes it to the log."""
    asyncio.get_running_loop().call_exception_handler({"message": "a fault in composectl", "exception": fault})
