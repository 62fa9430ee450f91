"""Whether a connection is quiet at this very moment, as the kernel knows it: the loop may not have looked yet."""

from __future__ import annotations

import select

CAN_TELL = hasattr(select, "poll")
_END: int = getattr(select, "POLLRDHUP", 0)  # Linux


def is_quiet(descriptor: int) -> bool:
    """Nothing is to be read there, not even an end (poll(2))."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return not poll.poll(0)


def has_ended(descriptor: int) -> bool:
    """The other side sends no more, whatever is still to be read; false where the system does not tell."""
    if not CAN_TELL or not _END:
        return False
    poll = select.poll()
    poll.register(descriptor, _END)
    return bool(poll.poll(0))
