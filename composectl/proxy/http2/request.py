"""Request heads of HTTP/2 (RFC 9113, section 8.3), checked, and as heads of HTTP/1.1 towards backends."""

from __future__ import annotations

import re
from collections.abc import Mapping

from composectl.proxy.errors import BadMessage, ErrorReason
from composectl.proxy.head import Fields, RequestHead, is_valid_request_id, request_head
from composectl.proxy.http2.frames import PROTOCOL_ERROR, StreamError

_PSEUDO = frozenset((b":method", b":scheme", b":authority", b":path"))
_CONNECTION_SPECIFIC = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade", b"http2-settings")
)
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
# RFC 9113, section 8.2.1; other control characters would be refused by HTTP/1.1
_BAD_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]|^[ \t]|[ \t]$")
_TARGET = re.compile(rb"[!-~\x80-\xff]+")
_METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_GRPC = b"application/grpc"


class StreamRequest:
    """A request head that was checked, and may come again, each time with another id.

    `length`: its Content-Length, None where it has none. `is_grpc`: it is to be answered with a gRPC status.
    """

    __slots__ = ("head", "is_grpc", "length", "needs_id")

    def __init__(self, head: RequestHead, length: int | None, is_grpc: bool, needs_id: bool) -> None:
        self.head = head
        self.length = length
        self.is_grpc = is_grpc
        self.needs_id = needs_id


class StreamRequestHead(RequestHead):
    """One such request; `request` is what it has in common with others."""

    __slots__ = ("request",)

    def __init__(self, request: StreamRequest, id_line: bytes) -> None:
        head = request.head
        super().__init__(
            head.method,
            head.target,
            head.fields,
            b"" if id_line else head.data,
            id_line or head.id_line,
            head.framing,
            head.chunked,
            b"",
            head.trailers,
            True,
            False,
            head.has_host and not id_line,  # `data_for` puts the id in
        )
        self.request = request

    def data_for(self, authority: bytes) -> bytes:
        return self.data or self.request.head.data[:-2] + self.id_line + b"\r\n"


def read_request(
    fields: Fields, forwarding: bytes, forwarded_host: bytes, *, end_stream: bool, make_ids: bool
) -> StreamRequest:
    """The request of these fields; `end_stream`: it has no body. `make_ids`: each without a valid id is to get one.

    For `forwarding` and `forwarded_host` see `request_head`. Raises StreamError for a malformed request, BadMessage for
    one that HTTP/1.1 would refuse, too.
    """
    pseudo, regular = _divide(fields)
    method, path = pseudo.get(b":method"), pseudo.get(b":path")
    if method == b"CONNECT":
        raise BadMessage(405, ErrorReason.NO_CONNECT)
    if not method or not path or b":scheme" not in pseudo or not _METHOD.fullmatch(method):
        raise StreamError(PROTOCOL_ERROR, "a pseudo-header is missing")
    if not (path.startswith(b"/") or (path == b"*" and method == b"OPTIONS")) or not _TARGET.fullmatch(path):
        raise BadMessage(400, ErrorReason.BAD_TARGET)
    regular, length, has_id = _check_regular(regular, make_ids=make_ids)
    host = _host(pseudo, regular)
    if end_stream and length:
        raise StreamError(PROTOCOL_ERROR, "the body is missing")
    kept = [field for field in regular if field[0] not in (b"host", b"content-length")]
    if host is not None:
        kept.insert(0, (b"Host", host))
    if length is not None:
        kept.append((b"Content-Length", b"%d" % length))
    elif not end_stream:
        kept.append((b"Transfer-Encoding", b"chunked"))
    # HTTP/1.1 names `TE` in `Connection`: what is written there is for the next hop.
    is_grpc = any(name == b"content-type" and value.startswith(_GRPC) for name, value in kept)
    head = request_head(method, path, "1.1", kept, forwarding, forwarded_host)
    return StreamRequest(head, length, is_grpc, needs_id=make_ids and not has_id)


def http2_fields(head: RequestHead) -> Fields:
    """The fields of a head for a backend that speaks HTTP/2: those that its HTTP/1.1 form has, without the framing."""
    lines = head.data.split(b"\r\n")[1:-2]
    host = b""
    fields: Fields = []
    for line in lines:
        name, _, value = line.partition(b": ")
        name = name.lower()
        if name == b"host":
            host = value
        elif name not in (b"connection", b"transfer-encoding"):
            fields.append((name, value.strip(b" \t")))
    pseudo = [(b":method", head.method), (b":scheme", b"http"), (b":path", head.target)]
    if host:
        pseudo.append((b":authority", host))
    return pseudo + fields


# Private


def _divide(fields: Fields) -> tuple[Mapping[bytes, bytes], Fields]:
    """The pseudo-headers, each once and before all others, and the rest."""
    pseudo: dict[bytes, bytes] = {}
    regular: Fields = []
    for name, value in fields:
        if name.startswith(b":"):
            if regular or name not in _PSEUDO or name in pseudo:
                raise StreamError(PROTOCOL_ERROR, "a bad pseudo-header")
            pseudo[name] = value
        else:
            regular.append((name, value))
    return pseudo, regular


def _check_regular(fields: Fields, *, make_ids: bool) -> tuple[Fields, int | None, bool]:
    """The fields that go on, the length of the body, and whether there is a valid id."""
    kept: Fields = []
    crumbs: list[bytes] = []
    length: int | None = None
    has_id = False
    for name, value in fields:
        check_field(name, value)
        if name == b"te" and value.lower() != b"trailers":
            raise StreamError(PROTOCOL_ERROR, "TE allows trailers alone")
        if name == b"cookie":
            crumbs.append(value)
            continue
        if name == b"content-length":
            if not value.isdigit() or (length is not None and int(value) != length):
                raise StreamError(PROTOCOL_ERROR, "a bad Content-Length")
            length = int(value)
        elif name == b"x-request-id" and make_ids:
            if has_id or not is_valid_request_id(value):
                continue
            has_id = True
        kept.append((name, value))
    if crumbs:
        kept.append((b"cookie", b"; ".join(crumbs)))
    return kept, length, has_id


def check_field(name: bytes, value: bytes) -> None:
    """RFC 9113, sections 8.2.1 and 8.2.2. Raises StreamError."""
    if not _NAME.fullmatch(name):
        raise StreamError(PROTOCOL_ERROR, "a bad field name")
    if _BAD_VALUE.search(value):
        raise StreamError(PROTOCOL_ERROR, "a bad field value")
    if name in _CONNECTION_SPECIFIC:
        raise StreamError(PROTOCOL_ERROR, "a field of HTTP/1.1 connections")


def _host(pseudo: Mapping[bytes, bytes], regular: Fields) -> bytes | None:
    authority = pseudo.get(b":authority")
    hosts = {value for name, value in regular if name == b"host"}
    if authority is not None and b"@" in authority:
        raise BadMessage(400, ErrorReason.BAD_HOST)
    if authority is not None:
        hosts.add(authority)
    if len(hosts) > 1 or b"" in hosts:
        raise BadMessage(400, ErrorReason.BAD_HOST)
    return next(iter(hosts), None)
