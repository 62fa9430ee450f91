"""When a request may be sent to another backend."""

# RFC 9110, section 9.2.2
IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))

FURTHER_BACKENDS = 2


def is_idempotent(method: bytes) -> bool:
    """Whether sending a request of this method twice is the same as sending it once (RFC 9110, section 9.2.2)."""
    return method in IDEMPOTENT


def may_retry(method: bytes, *, connected: bool, whole: bool, tried: int) -> bool:
    """Whether a request without a byte of a response may go to another backend.

    `connected`: it may have reached the backend; `whole`: all that was sent of it can be sent again; `tried`: the
    backends that it went to so far.
    """
    return whole and tried <= FURTHER_BACKENDS and (not connected or is_idempotent(method))
