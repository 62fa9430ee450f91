"""Trailers: how many there may be, and which go on (RFC 9110, section 6.5)."""

from __future__ import annotations

from typing import Final

from composectl.proxy.errors import BadMessage, ErrorReason
from composectl.proxy.head import (
    END_TO_END,
    FRAMING,
    MAX_FIELDS,
    MAX_HEAD,
    OUR_REQUEST_FIELDS,
    OUR_RESPONSE_FIELDS,
    Fields,
    is_reserved,
)

_MAX_OF_RESPONSE: Final = 64 * 1024
_SEPARATORS: Final = len(b": \r\n")
_NOT_IN_TRAILERS: Final = (
    OUR_REQUEST_FIELDS
    | OUR_RESPONSE_FIELDS
    | END_TO_END
    | {b"content-encoding", b"content-range", b"content-type", b"range", b"trailer"}
)


def check_request_trailers(trailers: Fields) -> int:
    """The bytes of the trailers, which may be as large as a head. Raises BadMessage."""
    size = _size(trailers)
    if len(trailers) > MAX_FIELDS or size > MAX_HEAD:
        raise BadMessage(400, ErrorReason.TRAILERS_TOO_LARGE)
    return size


def check_response_trailers(trailers: Fields) -> None:
    """Raise BadMessage where framing trails, which some would heed (RFC 9110, section 6.5.1), and where it is much."""
    if any(name.lower() in FRAMING for name, _ in trailers):
        raise BadMessage(502, ErrorReason.FRAMING_IN_TRAILERS)
    if _size(trailers) > _MAX_OF_RESPONSE:
        raise BadMessage(502, ErrorReason.TRAILERS_TOO_LARGE)


def forwardable_trailers(trailers: Fields) -> Fields:
    """The trailers that may be forwarded (RFC 9110, section 6.5.1)."""
    lowered = [(field, field[0].lower()) for field in trailers]
    return [field for field, name in lowered if name not in _NOT_IN_TRAILERS and not is_reserved(name)]


# Private


def _size(fields: Fields) -> int:
    return sum([len(name) + len(value) + _SEPARATORS for name, value in fields])
