"""Heads as they go on: our own start line and framing, the fields byte for byte, nothing hop-by-hop."""

from __future__ import annotations

import re
from binascii import hexlify
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from itertools import product
from random import getrandbits
from types import MappingProxyType

Fields = list[tuple[bytes, bytes]]
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CLOSE = b"Connection: close\r\n"
KEEP_ALIVE = b"Connection: keep-alive\r\n"
_NO_BODY = b"Content-Length: 0\r\n"
_TRAILERS_WELCOME = b"Connection: TE\r\nTE: trailers\r\n"
_MAX_FIELDS = 100
_MAX_HEAD = 32 * 1024
_MAX_TARGET = 8 * 1024
_MAX_DIGITS = 9
# RFC 9110, section 7.6.1, and the framing, which we write ourselves
_HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"content-length",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"transfer-encoding",
        b"upgrade",
    )
)
_FORWARDED = frozenset((b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto"))
_FRAMING = (b"content-length", b"transfer-encoding")
_REQUEST_ID = b"x-request-id"
# Heeded by us, and then said again
_HANDLED = frozenset((b"expect", b"max-forwards", b"via"))
# A token (RFC 9110, section 5.6.2), or what Base64 and paths add to that
_FIT = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z/:=@-]{1,128}")


def _twins(name: bytes) -> list[bytes]:
    """This name, and those that CGI and its heirs, which write `_` for `-`, take for it."""
    spellings = product(*(b"-_" if letter == 0x2D else (letter,) for letter in name))
    return [bytes(spelling) for spelling in spellings]


# Said by us alone: a client that is not trusted may not say whom it forwards for.
_OUR_REQUEST_FIELDS = _HOP_BY_HOP.union(
    (b"host", b"http2-settings"), _HANDLED, *(_twins(name) for name in (*_FORWARDED, *_FRAMING, _REQUEST_ID))
)


_OUR_RESPONSE_FIELDS = _HOP_BY_HOP | {b"date", b"x-internal-service", _REQUEST_ID}


# What the `Connection` of a client or a backend does not take away
_END_TO_END = frozenset((b"authorization", b"cache-control", b"cookie", b"set-cookie", b"via"))


_NOT_IN_TRAILERS = (
    _OUR_REQUEST_FIELDS
    | _OUR_RESPONSE_FIELDS
    | _END_TO_END
    | {b"content-encoding", b"content-range", b"content-type", b"range", b"trailer"}
)


_BODYLESS = (204, 304)


_COMMON_CONNECTIONS = frozenset((b"keep-alive", b"close", b"upgrade"))


_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+;=%-]*)(?::[0-9]*)?")


_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


_ABSOLUTE_FORM = re.compile(rb"https?://([^/?#]+)([^#]*)", re.IGNORECASE)


_NOTHING: Mapping[bytes, bytes] = MappingProxyType({})


class BadMessage(Exception):
    """A head that must not go on; `status` and `reason` are the answer to it."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class RequestHead:
    """A request head for a backend.

    `framing` is the line that tells of its body, if it may have one, and `chunked` whether that comes in chunks;
    `upgrade` tells that it asks for another protocol, `trailers` that the client takes them, `closes` that it wants its
    connection to end. `target` is that of its start line, `id_line` the one with its `X-Request-ID`, empty where it
    has none.
    """

    __slots__ = ("chunked", "closes", "data", "framing", "id_line", "target", "trailers", "upgrade")

    def __init__(
        self,
        data: bytes,
        target: bytes,
        id_line: bytes,
        framing: bytes,
        chunked: bool,
        upgrade: bool,
        trailers: bool,
        closes: bool,
    ) -> None:
        self.data = data
        self.target = target
        self.id_line = id_line
        self.framing = framing
        self.chunked = chunked
        self.upgrade = upgrade
        self.trailers = trailers
        self.closes = closes


class ResponseHead:
    """A response head for a client.

    `chunked` tells how its body is framed, `came_chunked` how it was, `closes` that the client's connection ends after
    it, `until_close` that the body lasts until the backend's connection ends.
    """

    __slots__ = ("came_chunked", "chunked", "closes", "data", "until_close")

    def __init__(self, data: bytes, chunked: bool, came_chunked: bool, closes: bool, until_close: bool) -> None:
        self.data = data
        self.chunked = chunked
        self.came_chunked = came_chunked
        self.closes = closes
        self.until_close = until_close


def forwarding_lines(client: str, scheme: str, name: str, said: Mapping[bytes, bytes] = _NOTHING) -> bytes:
    """The lines that tell a backend of the client, and of us by our `name`; the last one wants the host.

    `said`: what the client says of those before it, if its word is taken; comes from `trusted_forwarded_fields`.
    """
    before = said.get(b"x-forwarded-for", b"")
    return b"".join(
        (
            b"Via: 1.1 %b\r\n" % name.encode(),
            b"Forwarded: %b\r\n" % said[b"forwarded"] if b"forwarded" in said else b"",
            b"X-Forwarded-For: %b%b\r\n" % (before and before + b", ", client.encode()),
            b"X-Forwarded-Proto: %b\r\n" % said.get(b"x-forwarded-proto", scheme.encode()),
            b"X-Forwarded-Host: ",
        )
    )


def trusted_forwarded_fields(fields: Fields) -> dict[bytes, bytes]:
    """What a client says of those for whom it forwards (RFC 7239, and the fields from before it)."""
    return _sort(fields, _FORWARDED)[1]


def request_head(
    method: bytes,
    target: bytes,
    version: str,
    fields: Fields,
    forwarded: bytes,
    forwarded_host: bytes = b"",
    make_id: Callable[[], bytes] | None = None,
) -> RequestHead:
    """The head to send to a backend; `forwarded` comes from `forwarding_lines`, `forwarded_host` from a trusted client.

    `make_id` gives the `X-Request-ID` of a request that comes without one that is fit; without it none is looked at.
    Raises BadMessage for what RFC 9112, sections 3.2 and 6.1, forbids, for what is over our limits, and for what RFC
    9110, sections 7.6 and 10.1.1, lets us answer ourselves.
    """
    lines, ours = _sort(fields, _OUR_REQUEST_FIELDS)
    said = ours.pop(_REQUEST_ID, None) if len(ours) > 1 else None
    id_line = b"" if said is None and make_id is None else _id_line(said, make_id)
    host = ours.get(b"host")
    plain = len(ours) == 1 and host is not None
    _check(target, host, version, fields)
    if target[0] != 0x2F:  # not a path
        target, host = _origin_form(method, target, host)
    framing, hop = b"", b""
    chunked = upgrade = trailers = closes = False
    if not plain:
        if not _HANDLED.isdisjoint(ours):
            forwarded = _handled_fields(method, version, ours, forwarded) + forwarded
        tokens = _connection_tokens(ours, lines)
        framing, chunked = _request_framing(ours, version)
        switch = _upgrade(ours, tokens, framing) if version == "1.1" else b""
        upgrade = bool(switch)
        trailers = not upgrade and b"trailers" in ours.get(b"te", b"").lower()
        closes = b"close" in tokens or (b"proxy-connection" in ours and b"close" in _tokens(ours[b"proxy-connection"]))
        hop = switch or (_TRAILERS_WELCOME if trailers else b"")
    host = host or b""
    start = (method, b" ", target, b" HTTP/1.1\r\nHost: ", host, b"\r\n")
    data = b"".join((*start, *lines, forwarded, forwarded_host or host, b"\r\n", id_line, framing, hop, b"\r\n"))
    if len(data) > _MAX_HEAD:
        raise BadMessage(431, "head-too-large")
    return RequestHead(data, target, id_line, framing, chunked, upgrade, trailers, closes)


def response_head(
    status: int,
    reason: bytes,
    fields: Fields,
    *,
    identity: bytes,
    id_line: bytes = b"",
    bodyless: bool,
    keep_alive: bool,
    http_1_0: bool,
    date: Callable[[], bytes],
) -> ResponseHead:
    """The head to send to a client.

    `identity` is a line of ours or empty, `id_line` the one with the `X-Request-ID` of the request, or empty: it is
    said where the backend says none. `bodyless` is a response to HEAD, `keep_alive` whether the client's connection
    may go on, `http_1_0` whether the client knows no chunks; `date` gives the time, for a response without one (RFC
    9110, section 6.6.1). Raises BadMessage.
    """
    lines, ours = _sort(fields, _OUR_RESPONSE_FIELDS)
    if b"connection" in ours:
        _connection_tokens(ours, lines)
    length, coding = ours.get(b"content-length"), ours.get(b"transfer-encoding")
    if coding is not None and coding.lower() != b"chunked":
        raise BadMessage(502, "bad-transfer-encoding")
    unknown_length = length is None and not (bodyless or status in _BODYLESS)
    chunked = unknown_length and not http_1_0
    closes = not keep_alive or (unknown_length and http_1_0)
    framing = CHUNKED if chunked else b""
    if length is not None and status != 204:
        framing = b"Content-Length: " + _plain_length(length) + b"\r\n"
    connection = CLOSE if closes else KEEP_ALIVE if http_1_0 else b""
    start = _status_line(status, reason)
    made = ours.get(b"date") or date()
    if _REQUEST_ID in ours:
        id_line = request_id_line(ours[_REQUEST_ID])
    data = b"".join((start, *lines, b"Date: ", made, b"\r\n", identity, id_line, framing, connection, b"\r\n"))
    return ResponseHead(data, chunked, coding is not None, closes, unknown_length and coding is None)


def request_id_line(request_id: bytes) -> bytes:
    """The line with this one, whoever has made it."""
    return b"X-Request-ID: %b\r\n" % request_id


def interim_head(status: int, reason: bytes, fields: Fields, identity: bytes = b"", id_line: bytes = b"") -> bytes:
    """A 1xx response for a client (RFC 9110, section 15.2); a 101 keeps the protocol that it switches to.

    Raises BadMessage.
    """
    lines, ours = _sort(fields, _OUR_RESPONSE_FIELDS)
    _connection_tokens(ours, lines)
    if b"transfer-encoding" in ours or ours.get(b"content-length", b"0") != b"0":
        raise BadMessage(502, "interim-response-with-a-body")  # it has none, but our parser would look for it
    if _REQUEST_ID in ours:
        id_line = request_id_line(ours[_REQUEST_ID])
    switch = b"Connection: Upgrade\r\nUpgrade: " + ours.get(b"upgrade", b"") + b"\r\n" if status == 101 else b""
    return b"".join((_status_line(status, reason), *lines, identity, id_line, switch, b"\r\n"))


def check_trailers(trailers: Fields) -> None:
    """Raise BadMessage where framing trails, which some would heed (RFC 9110, section 6.5.1)."""
    if any(name.lower() in _FRAMING for name, _ in trailers):
        raise BadMessage(502, "framing-in-trailers")


def last_chunk(trailers: Fields) -> bytes:
    """The end of a chunked body, with the trailers that may be sent on (RFC 9110, section 6.5.1)."""
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in trailers if name.lower() not in _NOT_IN_TRAILERS)
    return b"0\r\n" + lines + b"\r\n"


def make_request_id() -> bytes:
    """32 hexadecimal digits; it is no secret, and unlike a counter it does not tell how much is asked of us."""
    return hexlify(getrandbits(128).to_bytes(16, "big"))


def is_valid_request_id(said: bytes) -> bool:
    """Whether what a client has said may go on as it is."""
    return _FIT.fullmatch(said) is not None


# Private


def _sort(fields: Fields, known: frozenset[bytes]) -> tuple[list[bytes], dict[bytes, bytes]]:
    """The lines to send on, in four parts each, and the fields that we write ourselves."""
    lines: list[bytes] = []
    ours: dict[bytes, bytes] = {}
    for name, value in fields:
        lower = name.lower()
        if lower not in known:
            lines += (name, b": ", value, b"\r\n")
        elif lower in ours:
            ours[lower] += b", " + value.strip(b" \t")
        else:
            ours[lower] = value.strip(b" \t")
    return lines, ours


def _id_line(said: bytes | None, make_id: Callable[[], bytes] | None) -> bytes:
    if said is not None and (make_id is None or is_valid_request_id(said)):
        return request_id_line(said)
    return b"" if make_id is None else request_id_line(make_id())


def _status_line(status: int, reason: bytes) -> bytes:
    if reason != b"OK" and _CONTROL.search(reason):
        raise BadMessage(502, "bad-reason")
    return b"HTTP/1.1 %d %b\r\n" % (status, reason)


def _origin_form(method: bytes, target: bytes, host: bytes | None) -> tuple[bytes, bytes | None]:
    """RFC 9112, section 3.2: the other forms of a target."""
    if target == b"*" and method == b"OPTIONS":
        return target, host
    absolute = _ABSOLUTE_FORM.fullmatch(target)
    if absolute is None or not _HOST.fullmatch(absolute[1]):
        raise BadMessage(400, "bad-target")
    authority, path = absolute.groups()
    return (path if path.startswith(b"/") else b"/" + path), authority


def _check(target: bytes, host: bytes | None, version: str, fields: Fields) -> None:
    if len(target) > _MAX_TARGET:
        raise BadMessage(414, "target-too-long")
    if len(fields) > _MAX_FIELDS:
        raise BadMessage(431, "too-many-fields")
    if b"#" in target:
        raise BadMessage(400, "bad-target")
    if host is None and version == "1.1":
        raise BadMessage(400, "no-host")
    if host is not None and not _is_host(host):
        raise BadMessage(400, "bad-host")


@lru_cache(64)
def _is_host(host: bytes) -> bool:
    return _HOST.fullmatch(host) is not None


def _connection_tokens(ours: dict[bytes, bytes], lines: list[bytes]) -> Collection[bytes]:
    """What `Connection` names; the lines of fields that it names are taken out (RFC 9110, section 7.6.1)."""
    connection = ours.get(b"connection")
    if connection is None:
        return ()
    lower = connection.lower()
    if lower in _COMMON_CONNECTIONS:
        return (lower,)
    tokens = _tokens(lower)
    named = tokens - _END_TO_END
    kept = [lines[at : at + 4] for at in range(0, len(lines), 4) if lines[at].lower() not in named]
    lines[:] = [part for line in kept for part in line]
    return tokens


def _tokens(members: bytes) -> set[bytes]:
    return {member.strip(b" \t") for member in members.lower().split(b",")}


def _handled_fields(method: bytes, version: str, ours: Mapping[bytes, bytes], forwarded: bytes) -> bytes:
    """The lines of what is handled on the way and goes on; raises BadMessage where it does not."""
    handled = (
        _via(ours.get(b"via"), forwarded),
        _expectation(ours.get(b"expect"), version),
        _max_forwards(ours.get(b"max-forwards"), method),
    )
    return b"".join(handled)


def _via(via: bytes | None, forwarded: bytes) -> bytes:
    """RFC 9110, section 7.6.3."""
    if via is None:
        return b""
    our_name = forwarded.partition(b"\r\n")[0].split()[2]
    if any(our_name in entry.split()[1:2] for entry in via.split(b",")):
        raise BadMessage(508, "loop")
    return b"Via: %b\r\n" % via


def _expectation(expect: bytes | None, version: str) -> bytes:
    """RFC 9110, section 10.1.1: a client of HTTP/1.0 cannot expect anything."""
    if expect is None or version == "1.0":
        return b""
    if expect.lower() != b"100-continue":
        raise BadMessage(417, "unknown-expectation")
    return b"Expect: 100-continue\r\n"


def _max_forwards(number: bytes | None, method: bytes) -> bytes:
    """RFC 9110, section 7.6.2."""
    if number is None:
        return b""
    if method not in (b"OPTIONS", b"TRACE"):
        return b"Max-Forwards: %b\r\n" % number
    if not number.isdigit() or len(number) > _MAX_DIGITS:
        raise BadMessage(400, "bad-max-forwards")
    if int(number) == 0:
        raise BadMessage(200 if method == b"OPTIONS" else 405, "no-further-forwards")
    return b"Max-Forwards: %d\r\n" % (int(number) - 1)


def _upgrade(ours: dict[bytes, bytes], tokens: Collection[bytes], framing: bytes) -> bytes:
    protocol = ours.get(b"upgrade")
    # h2c would take the connection out of our sight: RFC 9113, section 3.1, has dropped it.
    if protocol is None or b"upgrade" not in tokens or b"h2c" in protocol.lower():
        return b""
    if framing not in (b"", _NO_BODY):
        return b""  # as RFC 9110, section 7.8, allows: the body comes first, and in HTTP
    return b"Connection: Upgrade\r\nUpgrade: " + protocol + b"\r\n"


def _request_framing(ours: dict[bytes, bytes], version: str) -> tuple[bytes, bool]:
    coding = ours.get(b"transfer-encoding")
    if coding is not None:
        _check_coding(coding, version)
        return CHUNKED, True
    length = ours.get(b"content-length")
    if length is None:
        return b"", False
    if not length.isdigit():
        raise BadMessage(400, "bad-content-length")
    return b"Content-Length: " + _plain_length(length) + b"\r\n", False


def _plain_length(length: bytes) -> bytes:
    """Without zeros in front, which some read as octal and some do not read at all."""
    return length.lstrip(b"0") or b"0"


def _check_coding(coding: bytes, version: str) -> None:
    if version == "1.0":
        raise BadMessage(400, "transfer-encoding-in-http-1.0")
    if coding.lower() != b"chunked":
        raise BadMessage(501, "transfer-encoding-not-implemented")
