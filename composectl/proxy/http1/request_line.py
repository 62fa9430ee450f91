"""Request lines that the parser does not know as they are: other methods, and later versions."""

from __future__ import annotations

import re
from typing import Final

from composectl.proxy.errors import BadMessage, ErrorReason
from composectl.proxy.first_bytes import reason_for_client

KNOWN_METHOD: Final = b"PUT"  # unlike GET and POST, not one of RTSP
_METHOD: Final = re.compile(rb"[\r\n]*+([!#$%&'*+.^_`|~0-9A-Za-z-]++)( ?)")
_LONGEST_METHOD: Final = 64
_HTTP: Final = re.compile(rb"[\r\n]*+[^ ]++ ++[^ ]++ ++HTTP/")
_FOR_OTHER_METHODS: Final = (ErrorReason.BAD_REQUEST, ErrorReason.NOT_HTTP)


def check_version(version: str, head: bytes) -> str:
    """The version as which a head is read, 1.0 or 1.1: RFC 9110, section 2.5. Raises BadMessage."""
    if not version.startswith("1."):
        raise BadMessage(505, ErrorReason.VERSION_NOT_SUPPORTED)
    if not _HTTP.match(head):  # the parser knows RTSP, too
        raise BadMessage(400, ErrorReason.BAD_REQUEST)
    return version if version == "1.0" else "1.1"


def other_method(head: bytes, *, is_first: bool, is_known: bool) -> tuple[bytes, bytes]:
    """The method of a head that the parser has refused, and what follows it; "" where more of it is to come.

    `is_first`: of its connection. `is_known`: its method was replaced already. Raises BadMessage where that is no
    reason to refuse it.
    """
    reason = reason_for_client(head) if is_first else ErrorReason.BAD_REQUEST
    start = None if is_known or reason not in _FOR_OTHER_METHODS else _METHOD.match(head)
    if start is None or not (start[2] or start.end() == len(head)):
        raise BadMessage(400, reason)
    if len(start[1]) > _LONGEST_METHOD:
        raise BadMessage(501, ErrorReason.UNKNOWN_METHOD)
    return (start[1], head[start.end(1) :]) if start[2] else (b"", head)
