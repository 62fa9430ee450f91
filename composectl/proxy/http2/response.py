"""Response heads of HTTP/2 (RFC 9113, section 8.3.2), and the proxy's own responses."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from composectl.proxy.errors import BadMessage, ErrorReason
from composectl.proxy.head import Fields, ResponseHead, interim_head, response_head
from composectl.proxy.http1.encoding import http_date
from composectl.proxy.http2.compression import FieldEncoder, literal
from composectl.proxy.http2.frames import StreamError
from composectl.proxy.http2.request import check_field
from composectl.proxy.trailers import check_response_trailers

# The codes of gRPC for what the proxy answers itself; all else is UNAVAILABLE, which clients may try again.
_GRPC_UNAVAILABLE: Final = b"14"
_GRPC_CODES: Final = {400: b"13", 401: b"16", 403: b"7", 405: b"12", 413: b"8", 500: b"13", 501: b"12"}


def read_head(fields: Fields, backend_line: bytes, *, to_head: bool, end_stream: bool) -> ResponseHead:
    """A head of a backend, final or interim; for the arguments see `response_head`. Raises BadMessage."""
    if not fields or fields[0][0] != b":status" or len(fields[0][1]) != 3 or not fields[0][1].isdigit():
        raise BadMessage(502, ErrorReason.BAD_STATUS)
    status, regular = int(fields[0][1]), fields[1:]
    _check(regular)
    if not 100 <= status < 600:
        raise BadMessage(502, ErrorReason.BAD_STATUS)
    if status >= 200:
        return response_head(status, b"", regular, backend_line=backend_line, to_head=to_head)
    if status == 101 or end_stream:
        raise BadMessage(502, ErrorReason.UNASKED_UPGRADE)
    return interim_head(status, b"", regular)


def check_trailers(trailers: Fields) -> None:
    """Raise BadMessage where they are malformed."""
    if any(name.startswith(b":") for name, _ in trailers):
        raise BadMessage(502, ErrorReason.BAD_RESPONSE)
    _check(trailers)
    check_response_trailers(trailers)


def encode_response(encoder: FieldEncoder, head: ResponseHead, id_line: bytes) -> bytes:
    """The block of a final head for a client; without a date it gets one, and without an id that of `id_line`."""
    block = encoder.remembered.get(head)
    if block is None:
        fields = [(b":status", b"%d" % head.status), *lowered(head.fields)]
        if head.length is not None:
            fields.append((b"content-length", head.length))
        fields += [field_of(line) for line in (*head.backend_line.splitlines(), head.id_line) if line]
        if head.date:
            fields.append((b"date", head.date))
        block = encoder.encode(fields, head)
    if not head.date:
        block += literal(b"date", http_date())
    if id_line and not head.id_line:
        block += literal(*field_of(id_line))
    return block


def error_response(
    status: int, reason: str, id_line: bytes, more: Fields, *, is_grpc: bool, to_head: bool
) -> tuple[Fields, bytes]:
    """The proxy's own response, fields and body: a status of gRPC for its calls, else a page with `more` fields."""
    fields = [(b"date", http_date()), (b"x-composectl-error", reason.encode()), *lowered(more)]
    if id_line:
        fields.append(field_of(id_line))
    if is_grpc:
        code, message = _GRPC_CODES.get(status, _GRPC_UNAVAILABLE), f"composectl: {reason}".encode()
        grpc = [(b"content-type", b"application/grpc"), (b"grpc-status", code), (b"grpc-message", message)]
        return [(b":status", b"200"), *grpc, *fields], b""
    text = f"{status} {HTTPStatus(status).phrase}\n".encode()
    page = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(text))]
    return [(b":status", b"%d" % status), *page, *fields], b"" if to_head else text


def lowered(fields: Fields) -> Fields:
    """With the names in lower case, as HTTP/2 has them (RFC 9113, section 8.2)."""
    return [(name.lower(), value) for name, value in fields]


def field_of(line: bytes) -> tuple[bytes, bytes]:
    """The field of a line of HTTP/1.1."""
    name, _, value = line.rstrip(b"\r\n").partition(b": ")
    return name.lower(), value


# Private


def _check(fields: Fields) -> None:
    try:
        for name, value in fields:
            check_field(name, value)
    except StreamError:
        raise BadMessage(502, ErrorReason.BAD_RESPONSE) from None
