"""Heads as they are forwarded: start line and framing are written anew, and hop-by-hop fields are removed."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from functools import lru_cache
from itertools import product
from typing import Final

from composectl.proxy.errors import BadMessage, ErrorReason
from composectl.proxy.field_edits import FieldEdits
from composectl.proxy.handled_fields import HANDLED, handled_lines
from composectl.proxy.request_id import is_valid_request_id, request_id_line

Fields = list[tuple[bytes, bytes]]
_JOIN: Final = b": ".join
_LINE_END: Final = b"\r\n"
_FIRST_FIELD: Final = 2  # of the lines of a head: before it are the request line and `Host`
_CHUNKED: Final = b"Transfer-Encoding: chunked\r\n"
_NO_BODY: Final = b"Content-Length: 0\r\n"
_NOT_ENCODED: Final = (b"", b"")
_NO_HOST: Final = b"\r\nHost: \r\n"
FORWARDED_HOST: Final = b"X-Forwarded-Host: "
_TRAILERS_WELCOME: Final = b"Connection: TE\r\nTE: trailers\r\n"
MAX_FIELDS: Final = 100
MAX_HEAD: Final = 32 * 1024
_MAX_TARGET: Final = 8 * 1024
# RFC 9110, section 7.6.1, and the framing, which the proxy writes itself
_HOP_BY_HOP: Final = frozenset(
    (b"connection", b"content-length", b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding", b"upgrade")
)
FORWARDED_AS_THEY_ARE: Final = {
    b"x-forwarded-port": b"X-Forwarded-Port",
    b"x-forwarded-prefix": b"X-Forwarded-Prefix",
    b"x-forwarded-scheme": b"X-Forwarded-Scheme",
    b"x-forwarded-server": b"X-Forwarded-Server",
    b"x-forwarded-ssl": b"X-Forwarded-Ssl",
    b"x-real-ip": b"X-Real-IP",
}
FORWARDED: Final = frozenset(
    (b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", *FORWARDED_AS_THEY_ARE)
)
FRAMING: Final = (b"content-length", b"transfer-encoding")
_REQUEST_ID: Final = b"x-request-id"
_REPLICA: Final = b"x-composectl-replica"
# The proxy alone writes these, and CGI takes `_` for `-`
_RESERVED: Final = re.compile(rb"x[-_]composectl[-_]")
_LETTER_X: Final = 0x78

# The proxy alone writes these: an untrusted client may not claim to forward for another.
# CGI and its heirs, which write `_` for `-`, take other spellings for these names.
OUR_REQUEST_FIELDS: Final = _HOP_BY_HOP.union(
    (b"host", b"http2-settings"),
    HANDLED,
    (
        bytes(spelling)
        for name in (*FORWARDED, *FRAMING, _REQUEST_ID)
        for spelling in product(*(b"-_" if letter == 0x2D else (letter,) for letter in name))
    ),
)
OUR_RESPONSE_FIELDS: Final = _HOP_BY_HOP | {b"date", b"x-composectl-error", b"x-internal-service", _REQUEST_ID}
# What the `Connection` of a client or a backend does not take away
END_TO_END: Final = frozenset((b"authorization", b"cache-control", b"cookie", b"set-cookie", b"via"))

_BODYLESS: Final = (204, 304)
_USUAL: Final = (b"close", b"keep-alive")
_COMMON_CONNECTIONS: Final = frozenset((b"keep-alive", b"close", b"upgrade"))
_HOST: Final = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+;=%-]*)(?::[0-9]*)?")
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_ABSOLUTE_FORM: Final = re.compile(rb"https?://([^/?#]+)([^#]*)", re.IGNORECASE)


class RequestHead:
    """A request head for a backend; `fields` are the end-to-end ones, `data` is the whole head as HTTP/1.1 writes it.

    `framing`: the line of `data` that frames the body, empty where there is none; `chunked`: the body comes in chunks.
    `has_host`: the client named one; HTTP/1.0 need not. `id_line`: the line with its `X-Request-ID`, empty where it has
    none. `upgrade`: the protocols that it asks for, empty where there are none. `trailers`: the client accepts them.
    `keep_alive`: the client's connection may carry another request. `session`: see `SessionFields.read`. `pin`: the
    number of the only replica that may get it, empty for any.
    """

    __slots__ = (
        "chunked",
        "data",
        "fields",
        "framing",
        "has_host",
        "http_1_0",
        "id_line",
        "keep_alive",
        "method",
        "pin",
        "session",
        "target",
        "trailers",
        "upgrade",
    )

    def __init__(
        self,
        method: bytes,
        target: bytes,
        fields: Fields,
        data: bytes,
        id_line: bytes,
        framing: bytes,
        chunked: bool,
        upgrade: bytes,
        trailers: bool,
        keep_alive: bool,
        http_1_0: bool,
        has_host: bool,
    ) -> None:
        self.method = method
        self.target = target
        self.fields = fields
        self.data = data
        self.id_line = id_line
        self.framing = framing
        self.chunked = chunked
        self.upgrade = upgrade
        self.trailers = trailers
        self.keep_alive = keep_alive
        self.http_1_0 = http_1_0
        self.has_host = has_host
        self.session: bytes | None = None
        self.pin = b""

    def data_for(self, authority: bytes) -> bytes:
        """The whole head for the backend at this authority, whose name stands where the client gave none."""
        return self.data if self.has_host else self.data.replace(_NO_HOST, b"\r\nHost: %b\r\n" % authority, 1)

    def with_id(self, id_line: bytes, data: bytes) -> RequestHead:
        """The same with another ID, which `data` has already."""
        head = RequestHead(
            self.method,
            self.target,
            self.fields,
            data,
            id_line,
            self.framing,
            self.chunked,
            self.upgrade,
            self.trailers,
            self.keep_alive,
            self.http_1_0,
            self.has_host,
        )
        head.session = self.session
        return head

    def edit(self, edits: FieldEdits) -> None:
        """Make these edits of the end-to-end fields, whatever the client names in its `Connection`."""
        lines = self.data.split(_LINE_END)
        end = _FIRST_FIELD + len(self.fields)
        self.fields = edits.apply(self.fields)
        self.data = _LINE_END.join([*lines[:_FIRST_FIELD], *map(_JOIN, self.fields), *lines[end:]])

    def add(self, name: bytes, value: bytes) -> None:
        """Add an end-to-end field."""
        lines = self.data.split(_LINE_END)
        lines.insert(_FIRST_FIELD + len(self.fields), _JOIN((name, value)))
        self.fields = [*self.fields, (name, value)]
        self.data = _LINE_END.join(lines)

    def retarget(self, target: bytes) -> None:
        """Ask for another target."""
        rest = self.data[len(self.method) + 1 + len(self.target) :]
        self.target = target
        self.data = b"%b %b%b" % (self.method, target, rest)

    def accepts_switch(self, head: ResponseHead) -> bool:
        """Whether a 101 may switch to its protocols: the client offered each (RFC 9110, section 7.8)."""
        return bool(head.upgrade and self.upgrade) and _tokens(head.upgrade) <= _tokens(self.upgrade)


class ResponseHead:
    """A response head of a backend; `fields` are the end-to-end ones.

    `length` is its Content-Length, None where it has none; `chunked`: its body came so; `unsized`: only its end tells
    the length of its body. `date`, `id_line` and, in a 101, `upgrade` are empty where it has none; `backend_line` names
    the backend. `encoded`: as HTTP/1.1 writes it, before and behind the line of an ID; empty until it was written once.
    `size`: `length` as a number, where that was asked for.
    """

    __slots__ = (
        "backend_line",
        "chunked",
        "date",
        "encoded",
        "fields",
        "id_line",
        "length",
        "reason",
        "size",
        "status",
        "unsized",
        "upgrade",
    )

    def __init__(
        self,
        status: int,
        reason: bytes,
        fields: Fields,
        length: bytes | None,
        chunked: bool,
        unsized: bool,
        date: bytes,
        id_line: bytes,
        upgrade: bytes,
        backend_line: bytes,
    ) -> None:
        self.status = status
        self.reason = reason
        self.fields = fields
        self.length = length
        self.chunked = chunked
        self.unsized = unsized
        self.date = date
        self.id_line = id_line
        self.upgrade = upgrade
        self.backend_line = backend_line
        self.encoded = _NOT_ENCODED
        self.size = -1

    def with_fields(self, fields: Fields) -> ResponseHead:
        """The same with these end-to-end fields."""
        return ResponseHead(
            self.status,
            self.reason,
            fields,
            self.length,
            self.chunked,
            self.unsized,
            self.date,
            self.id_line,
            self.upgrade,
            self.backend_line,
        )


def request_head(
    method: bytes,
    target: bytes,
    version: str,
    fields: Fields,
    forwarding: bytes,
    forwarded_host: bytes = b"",
    make_id: Callable[[], bytes] | None = None,
    keep_alive: bool = True,
) -> RequestHead:
    """The head to send to a backend; `forwarding` is from `forwarding_lines`, `forwarded_host` from a trusted client.

    `make_id` gives the `X-Request-ID` of a request that comes without a valid one; without it none is looked at.
    `keep_alive`: what the parser makes of the version and of `Connection`. Raises BadMessage for what RFC 9112,
    sections 3.2 and 6.1, forbids, for what exceeds a limit, and for what RFC 9110, sections 7.6 and 10.1.1, rejects.
    """
    kept, ours = sort_fields(fields, OUR_REQUEST_FIELDS)
    request_id = ours.pop(_REQUEST_ID, None) if len(ours) > 1 else None
    id_line = b""
    if request_id is not None and (make_id is None or is_valid_request_id(request_id)):
        id_line = request_id_line(request_id)
    elif make_id is not None:
        id_line = request_id_line(make_id())
    host = ours.get(b"host")
    connection = ours.get(b"connection")
    plain = host is not None and (len(ours) == 1 if connection is None else len(ours) == 2 and connection in _USUAL)
    if connection == b"close":
        keep_alive = False
    _check(target, host, version, fields)
    if target[0] != 0x2F:  # not a path
        target, host = _origin_form(method, target, host)
    framing, hop = b"", b""
    chunked = trailers = False
    upgrade = b""
    if not plain:
        if not HANDLED.isdisjoint(ours):
            forwarding = handled_lines(method, version, ours, forwarding) + forwarding
        tokens = _connection_tokens(ours, kept)
        framing, chunked = _request_framing(ours, version)
        upgrade = _upgrade(ours, tokens, framing) if version == "1.1" else b""
        trailers = not upgrade and b"trailers" in ours.get(b"te", b"").lower()
        # The parser forgets a `close` in HTTP/1.0.
        if b"close" in tokens or (b"proxy-connection" in ours and b"close" in _tokens(ours[b"proxy-connection"])):
            keep_alive = False
        hop = b"Connection: Upgrade\r\nUpgrade: %b\r\n" % upgrade if upgrade else _TRAILERS_WELCOME if trailers else b""
    has_host = host is not None
    host = host or b""
    forwarded = forwarding + (forwarded_host or host)
    if not (has_host or forwarded_host):
        forwarded = forwarding.removesuffix(FORWARDED_HOST).removesuffix(b"\r\n")
    lines = [b"".join((method, b" ", target, b" HTTP/1.1\r\nHost: ", host))]
    lines += map(_JOIN, kept)
    lines += (forwarded, b"".join((id_line, framing, hop, b"\r\n")))
    data = b"\r\n".join(lines)
    if len(data) > MAX_HEAD:
        raise BadMessage(431, ErrorReason.HEAD_TOO_LARGE)
    http_1_0 = version == "1.0"
    head = RequestHead(
        method, target, kept, data, id_line, framing, chunked, upgrade, trailers, keep_alive, http_1_0, has_host
    )
    if not plain:
        head.pin = ours.get(_REPLICA, b"")
    return head


def response_head(
    status: int, reason: bytes, fields: Fields, *, backend_line: bytes, to_head: bool = False
) -> ResponseHead:
    """The final head of a backend; `backend_line` names that backend, or is empty; `to_head`: it answers a HEAD.

    Raises BadMessage.
    """
    kept, ours = sort_fields(fields, OUR_RESPONSE_FIELDS)
    if b"connection" in ours:
        _connection_tokens(ours, kept)
    length, coding = ours.get(b"content-length"), ours.get(b"transfer-encoding")
    if coding is not None and coding.lower() != b"chunked":
        raise BadMessage(502, ErrorReason.BAD_TRANSFER_ENCODING)
    if reason != b"OK":
        _check_reason(reason)
    unsized = length is None and not (to_head or status in _BODYLESS)
    if length is not None:
        length = None if status == 204 else _plain_length(length)
    id_line = request_id_line(ours[_REQUEST_ID]) if _REQUEST_ID in ours else b""
    date = ours.get(b"date", b"")
    return ResponseHead(status, reason, kept, length, coding is not None, unsized, date, id_line, b"", backend_line)


def interim_head(status: int, reason: bytes, fields: Fields, backend_line: bytes = b"") -> ResponseHead:
    """A 1xx head of a backend (RFC 9110, section 15.2); a 101 keeps its `Upgrade`. Raises BadMessage."""
    kept, ours = sort_fields(fields, OUR_RESPONSE_FIELDS)
    _connection_tokens(ours, kept)
    if b"transfer-encoding" in ours or ours.get(b"content-length", b"0") != b"0":
        # It has no body, but the parser would look for it.
        raise BadMessage(502, ErrorReason.INTERIM_RESPONSE_WITH_A_BODY)
    _check_reason(reason)
    id_line = request_id_line(ours[_REQUEST_ID]) if _REQUEST_ID in ours else b""
    upgrade = ours.get(b"upgrade", b"") if status == 101 else b""
    return ResponseHead(status, reason, kept, None, False, False, b"", id_line, upgrade, backend_line)


def is_reserved(name: bytes) -> bool:
    """Whether it is one of `X-Composectl-*`; `name` is in lower case."""
    return len(name) > 12 and name[0] == _LETTER_X and _RESERVED.match(name) is not None


def sort_fields(fields: Fields, known: frozenset[bytes]) -> tuple[Fields, dict[bytes, bytes]]:
    """The fields to forward, and those that the proxy writes itself."""
    kept: Fields = []
    ours: dict[bytes, bytes] = {}
    for field in fields:
        lower = field[0].lower()
        if lower not in known and not is_reserved(lower):
            kept.append(field)
        elif lower in ours:
            ours[lower] += b", " + field[1].strip(b" \t")
        else:
            ours[lower] = field[1].strip(b" \t")
    return kept, ours


# Private


def _check_reason(reason: bytes) -> None:
    if _CONTROL.search(reason):
        raise BadMessage(502, ErrorReason.BAD_REASON)


def _origin_form(method: bytes, target: bytes, host: bytes | None) -> tuple[bytes, bytes | None]:
    """RFC 9112, section 3.2: the other forms of a target."""
    if target == b"*" and method == b"OPTIONS":
        return target, host
    absolute = _ABSOLUTE_FORM.fullmatch(target)
    if absolute is None or not _HOST.fullmatch(absolute[1]):
        raise BadMessage(400, ErrorReason.BAD_TARGET)
    authority, path = absolute.groups()
    return (path if path.startswith(b"/") else b"/" + path), authority


def _check(target: bytes, host: bytes | None, version: str, fields: Fields) -> None:
    if len(target) > _MAX_TARGET:
        raise BadMessage(414, ErrorReason.TARGET_TOO_LONG)
    if len(fields) > MAX_FIELDS:
        raise BadMessage(431, ErrorReason.TOO_MANY_FIELDS)
    if b"#" in target:
        raise BadMessage(400, ErrorReason.BAD_TARGET)
    if host is None and version == "1.1":
        raise BadMessage(400, ErrorReason.NO_HOST)
    if host is not None and not _is_host(host):
        raise BadMessage(400, ErrorReason.BAD_HOST)


@lru_cache(64)
def _is_host(host: bytes) -> bool:
    return _HOST.fullmatch(host) is not None


def _connection_tokens(ours: dict[bytes, bytes], kept: Fields) -> Collection[bytes]:
    """What `Connection` names; fields that it names are removed from `kept` (RFC 9110, section 7.6.1)."""
    connection = ours.get(b"connection")
    if connection is None:
        return ()
    lower = connection.lower()
    if lower in _COMMON_CONNECTIONS:
        return (lower,)
    tokens = _tokens(lower)
    named = tokens - END_TO_END
    kept[:] = [field for field in kept if field[0].lower() not in named]
    return tokens


def _tokens(members: bytes) -> set[bytes]:
    return {member.strip(b" \t") for member in members.lower().split(b",")}


def _upgrade(ours: dict[bytes, bytes], tokens: Collection[bytes], framing: bytes) -> bytes:
    protocol = ours.get(b"upgrade")
    # h2c would hide the requests that follow: RFC 9113, section 3.1, has dropped it.
    if protocol is None or b"upgrade" not in tokens or b"h2c" in protocol.lower():
        return b""
    # With a body as RFC 9110, section 7.8, allows: the body comes first, and in HTTP
    return protocol if framing in (b"", _NO_BODY) else b""


def _request_framing(ours: dict[bytes, bytes], version: str) -> tuple[bytes, bool]:
    coding = ours.get(b"transfer-encoding")
    if coding is not None:
        if version == "1.0":
            raise BadMessage(400, ErrorReason.TRANSFER_ENCODING_IN_HTTP_1_0)
        if coding.lower() != b"chunked":
            if coding.lower().rpartition(b",")[2].strip(b" \t") != b"chunked":  # the length is not known
                raise BadMessage(400, ErrorReason.BAD_TRANSFER_ENCODING)
            raise BadMessage(501, ErrorReason.TRANSFER_ENCODING_NOT_IMPLEMENTED)
        return _CHUNKED, True
    length = ours.get(b"content-length")
    if length is None:
        return b"", False
    if not length.isdigit():
        raise BadMessage(400, ErrorReason.BAD_CONTENT_LENGTH)
    return b"Content-Length: " + _plain_length(length) + b"\r\n", False


def _plain_length(length: bytes) -> bytes:
    """Without zeros in front, which some read as octal and some do not read at all."""
    return length.lstrip(b"0") or b"0"
