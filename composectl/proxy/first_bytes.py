"""What a side that does not speak HTTP/1 speaks, by its first bytes."""

from __future__ import annotations

import re
from typing import Final

from composectl.proxy.errors import ErrorReason

_LINE_ENDS: Final = b"\r\n"
_HTTP_1: Final = b"HTTP/1."
_HANDSHAKE: Final = b"\x16"
_ALERT: Final = b"\x15"  # types of TLS records (RFC 8446, section 5.1), and each has a version 3.x
# A SETTINGS frame, the first of each server (RFC 9113, sections 4.1 and 6.5)
_SETTINGS: Final = re.compile(rb"\0..\x04[\0\x01]\0\0\0\0", re.DOTALL)
# All methods of RFC 9110 and RFC 5789, or any other one with a target and a version
_REQUEST: Final = re.compile(
    rb"(?:GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH|PRI) |[!#$%&'*+.^_`|~0-9A-Za-z-]+ +[!-~]+ +HTTP/"
)
# Both versions of the PROXY protocol; the second one begins with line ends, which no request minds.
_PROXY: Final = re.compile(rb"PROXY (?:TCP[46]|UNKNOWN)\b|\0\r\nQUIT")


def reason_for_client(first: bytes) -> ErrorReason:
    """Why these bytes, the first of a connection, are no request."""
    if first.startswith(_HANDSHAKE):
        return ErrorReason.TLS
    line = first.lstrip(_LINE_ENDS)
    if _PROXY.match(line):
        return ErrorReason.PROXY_PROTOCOL
    return ErrorReason.BAD_REQUEST if _REQUEST.match(line) else ErrorReason.NOT_HTTP


def reason_for_backend(first: bytes) -> ErrorReason | None:
    """Why these first bytes of a response are no response of HTTP/1; None where they may become one."""
    start = first.lstrip(_LINE_ENDS)[: len(_HTTP_1)]
    if start == _HTTP_1[: len(start)]:
        return None
    if first[:2] in (_HANDSHAKE + b"\x03", _ALERT + b"\x03"):
        return ErrorReason.BACKEND_SPEAKS_TLS
    return ErrorReason.BACKEND_SPEAKS_HTTP2 if _SETTINGS.match(first) else ErrorReason.BACKEND_IS_NOT_HTTP
