"""Request heads of HTTP/2 (RFC 9113, section 8.3), checked, and as heads of HTTP/1.1 towards backends."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from composectl.proxy.errors import BadMessage, ErrorReason
from composectl.proxy.head import OUR_REQUEST_FIELDS, Fields, RequestHead, is_reserved, request_head
from composectl.proxy.http2.frames import PROTOCOL_ERROR, StreamError
from composectl.proxy.request_id import is_valid_request_id
from composectl.proxy.upstreams import Upstreams

_PSEUDO: Final = frozenset((b":method", b":scheme", b":authority", b":path", b":protocol"))
_CONNECTION_SPECIFIC: Final = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade", b"http2-settings")
)
_WEBSOCKET: Final = b"websocket"
_KEY: Final = b"sec-websocket-key"  # of HTTP/1.1 alone
# The proxy acts on these, or looks at them
_NOT_PLAIN: Final = OUR_REQUEST_FIELDS | _CONNECTION_SPECIFIC | {b"content-type", b"cookie", _KEY}
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
# RFC 9113, section 8.2.1; other control characters would be refused by HTTP/1.1
_VALUE: Final = re.compile(rb"(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?")
_TARGET: Final = re.compile(rb"[!-~\x80-\xff]+")
_METHOD: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_GRPC: Final = re.compile(rb"application/grpc(?:[+;]|$)")  # gRPC-Web, which is for browsers, is not meant


class StreamRequest:
    """A request head that was checked, and may come again, each time with another id.

    `length`: its Content-Length, None where it has none. `is_grpc`: it is to be answered with a gRPC status. `extras`:
    fields that `head` lacks. `base`: the same request without them. `client`: see `Peer.client_of`;
    `authorization`: see `Guards.authorization_in`. `upstreams`: where it goes.
    """

    __slots__ = (
        "_base",
        "_http2_fields",
        "_names",
        "authorization",
        "client",
        "extras",
        "head",
        "is_grpc",
        "length",
        "needs_id",
        "upstreams",
    )

    upstreams: Upstreams

    def __init__(self, head: RequestHead, length: int | None, is_grpc: bool, needs_id: bool) -> None:
        self.head = head
        self.length = length
        self.is_grpc = is_grpc
        self.needs_id = needs_id
        self.authorization = b""
        self.client = ""
        self.extras: Fields = []
        self._base: StreamRequest | None = None
        self._names: set[bytes] | None = None
        self._http2_fields: Fields | None = None

    @property
    def base(self) -> StreamRequest:
        return self if self._base is None else self._base

    def has_any_of(self, fields: Fields) -> bool:
        """Whether the head has a field of the same name as one of these."""
        names = self._names
        if names is None:
            names = self._names = {name.lower() for name, _ in self.head.fields}
        for name, _ in fields:  # noqa: SIM110 - compiled, a loop costs less than a generator
            if name in names:
                return True
        return False

    def with_extras(self, fields: Fields) -> StreamRequest:
        request = StreamRequest(self.head, self.length, self.is_grpc, self.needs_id)
        request.authorization = self.authorization
        request.client = self.client
        request.upstreams = self.upstreams
        request.extras = fields
        request._base = self
        return request

    def http2_fields(self) -> Fields:
        """The fields of the head for a backend that speaks HTTP/2."""
        fields = self._http2_fields
        if fields is None:
            fields = self._http2_fields = http2_fields(self.head)
        return fields


class StreamRequestHead(RequestHead):
    """One such request; `request` is what it has in common with others."""

    __slots__ = ("request",)

    def __init__(self, request: StreamRequest, id_line: bytes) -> None:
        head = request.head
        extras = request.extras
        is_whole = not id_line and not extras
        super().__init__(
            head.method,
            head.target,
            head.fields + extras if extras else head.fields,
            head.data if is_whole else b"",
            id_line or head.id_line,
            head.framing,
            head.chunked,
            b"",
            head.trailers,
            True,
            False,
            head.has_host and is_whole,  # `data_for` puts the rest in
        )
        self.request = request
        self.pin = head.pin

    def data_for(self, authority: bytes) -> bytes:
        if self.data:
            return self.data
        lines = [b"%b: %b\r\n" % field for field in self.request.extras]
        return b"".join((self.request.head.data[:-2], *lines, self.id_line, b"\r\n"))


def read_request(
    fields: Fields,
    forwarding: bytes,
    forwarded_host: bytes,
    *,
    end_stream: bool,
    make_ids: bool,
) -> StreamRequest:
    """The request of these fields; `end_stream`: it has no body. `make_ids`: each without a valid id is to get one.

    For `forwarding` and `forwarded_host` see `request_head`. Raises StreamError for a malformed request, BadMessage for
    one that HTTP/1.1 would refuse, too. An extended CONNECT becomes the GET with an `upgrade` that it stands for.
    """
    pseudo, regular = _divide(fields)
    method, path = pseudo.get(b":method"), pseudo.get(b":path")
    protocol = pseudo.get(b":protocol")
    if method == b"CONNECT" and protocol is None:
        raise BadMessage(405, ErrorReason.NO_CONNECT)
    if not method or not path or b":scheme" not in pseudo or not _METHOD.fullmatch(method):
        raise StreamError(PROTOCOL_ERROR, "a pseudo-header is missing")
    if not (path.startswith(b"/") or (path == b"*" and method == b"OPTIONS")) or not _TARGET.fullmatch(path):
        raise BadMessage(400, ErrorReason.BAD_TARGET)
    regular, length, has_id = _check_regular(regular, make_ids=make_ids)
    host = _host(pseudo, regular)
    if protocol is not None:
        _check_websocket(pseudo, method, is_open=length is None and not end_stream)
        regular = [field for field in regular if field[0] != _KEY]
        regular += [(b"connection", b"upgrade"), (b"upgrade", protocol)]
        method = b"GET"
    if end_stream and length:
        raise StreamError(PROTOCOL_ERROR, "the body is missing")
    kept = [field for field in regular if field[0] not in (b"host", b"content-length")]
    if host is not None:
        kept.insert(0, (b"Host", host))
    if length is not None:
        kept.append((b"Content-Length", b"%d" % length))
    elif not end_stream and protocol is None:
        kept.append((b"Transfer-Encoding", b"chunked"))
    # HTTP/1.1 names `TE` in `Connection`: what is written there is for the next hop.
    is_grpc = any(name == b"content-type" and _GRPC.match(value) for name, value in kept)
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
        elif name not in (b"connection", b"transfer-encoding", b"upgrade"):
            fields.append((name, value.strip(b" \t")))
    pseudo = [(b":method", b"CONNECT" if head.upgrade else head.method), (b":scheme", b"http"), (b":path", head.target)]
    if head.upgrade:
        pseudo.append((b":protocol", head.upgrade))
    if host:
        pseudo.append((b":authority", host))
    return pseudo + fields


def is_plain(field: tuple[bytes, bytes]) -> bool:
    """Whether the proxy hands the field on as it is, whatever its value. Raises StreamError where it is malformed."""
    name = field[0]
    if name.startswith(b":") or name in _NOT_PLAIN or is_reserved(name):
        return False
    check_field(name, field[1])
    return True


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


def _check_websocket(pseudo: Mapping[bytes, bytes], method: bytes, *, is_open: bool) -> None:
    """RFC 8441, section 4; `is_open`: the stream has no length and is not at its end."""
    if method != b"CONNECT" or b":authority" not in pseudo or not is_open:
        raise StreamError(PROTOCOL_ERROR, "a bad extended CONNECT")
    if pseudo[b":protocol"] != _WEBSOCKET:
        raise BadMessage(501, ErrorReason.UNKNOWN_PROTOCOL)


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
    if not _VALUE.fullmatch(value):
        raise StreamError(PROTOCOL_ERROR, "a bad field value")
    if name in _CONNECTION_SPECIFIC:
        raise StreamError(PROTOCOL_ERROR, "a field of HTTP/1.1 connections")


def _host(pseudo: Mapping[bytes, bytes], regular: Fields) -> bytes | None:
    authority = pseudo.get(b":authority")
    hosts = {value for name, value in regular if name == b"host"}
    if authority is not None and (b"@" in authority or not _VALUE.fullmatch(authority)):
        raise BadMessage(400, ErrorReason.BAD_HOST)
    if authority is not None:
        hosts.add(authority)
    if len(hosts) > 1 or b"" in hosts:
        raise BadMessage(400, ErrorReason.BAD_HOST)
    return next(iter(hosts), None)
