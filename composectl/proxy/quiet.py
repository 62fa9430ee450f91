"""Whether a connection is quiet at this very moment, as the kernel knows it: the loop may not have looked yet."""

from __future__ import annotations

import select

CAN_TELL = hasattr(select, "poll")


def is_quiet(descriptor: int) -> bool:
    """Nothing is to be read there, not even an end (poll(2))."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return not poll.poll(0)
