"""Fields of a request on which the proxy acts, and which it writes anew: `Via`, `Expect`, `Max-Forwards`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from composectl.proxy.errors import BadMessage, ErrorReason

HANDLED: Final = frozenset((b"expect", b"max-forwards", b"via"))
_MAX_DIGITS: Final = 9


def handled_lines(method: bytes, version: str, ours: Mapping[bytes, bytes], forwarded: bytes) -> bytes:
    """The lines of what is handled on the way and goes on; raises BadMessage where it does not."""
    lines = b""
    via, expect = ours.get(b"via"), ours.get(b"expect")
    if via is not None:  # RFC 9110, section 7.6.3
        our_name = forwarded.partition(b"\r\n")[0].split()[2]
        if any(our_name in entry.split()[1:2] for entry in via.split(b",")):
            raise BadMessage(508, ErrorReason.LOOP)
        lines += b"Via: %b\r\n" % via
    if expect is not None and version != "1.0":  # RFC 9110, section 10.1.1: HTTP/1.0 has no expectations
        if expect.lower() != b"100-continue":
            raise BadMessage(417, ErrorReason.UNKNOWN_EXPECTATION)
        lines += b"Expect: 100-continue\r\n"
    return lines + _max_forwards(ours.get(b"max-forwards"), method)


# Private


def _max_forwards(number: bytes | None, method: bytes) -> bytes:
    """RFC 9110, section 7.6.2."""
    if number is None:
        return b""
    if method not in (b"OPTIONS", b"TRACE"):
        return b"Max-Forwards: %b\r\n" % number
    if not number.isdigit() or len(number) > _MAX_DIGITS:
        raise BadMessage(400, ErrorReason.BAD_MAX_FORWARDS)
    if int(number) == 0:
        raise BadMessage(200 if method == b"OPTIONS" else 405, ErrorReason.NO_FURTHER_FORWARDS)
    return b"Max-Forwards: %d\r\n" % (int(number) - 1)
