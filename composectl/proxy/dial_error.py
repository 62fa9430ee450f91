"""Why a connection to a backend was not made, and whether the backend is to blame."""

from __future__ import annotations

import errno
import os

_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


def is_exhaustion(error: OSError) -> bool:
    """Whether it was for want of descriptors or memory on our own side: no backend is to blame."""
    return error.errno in _EXHAUSTED


def reason_of(error: OSError) -> str:
    """A few words for the table: the system's own where it has some, since the loops have different ones."""
    if error.errno is not None and error.errno in errno.errorcode:
        return os.strerror(error.errno)
    return error.strerror or str(error) or "no answer in time"
