"""The reader of a client's bytes: makes exchanges of them, strictly."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING

from httptools import (
    HttpParserCallbackError,
    HttpParserError,
    HttpParserInvalidMethodError,
    HttpParserUpgrade,
    HttpRequestParser,
)

from composectl.proxy.access_log_format import AccessRecord
from composectl.proxy.exchange import Exchange
from composectl.proxy.head import (
    BadMessage,
    Fields,
    RequestHead,
    forwarding_lines,
    request_head,
    request_id_line,
    trusted_forwarded_fields,
)
from composectl.proxy.limits import check_body, check_head
from composectl.proxy.sockets import report

if TYPE_CHECKING:
    from composectl.proxy.http1.client_connection import ClientConnection
    from composectl.proxy.server import HttpServer

_MAX_HEAD = 32 * 1024
_METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]")
_VERSIONS = ("1.1", "1.0")


class RequestParser:
    """Appends an exchange to `queue` for each head, and feeds it with the body.

    `incoming` is the exchange whose body is still coming; `refusal` what to answer after the queue, and no more
    (to a HEAD where `refuses_head`), with `id_line`, and with `entry` for the access log;
    `rest` what follows a request to switch protocols. `takes_more` is false once there is a refusal or such a request.
    """

    __slots__ = (
        "_barren",
        "_clock",
        "_fields",
        "_forwarded",
        "_inbound",
        "_limits",
        "_log",
        "_make_id",
        "_parser",
        "_postponed",
        "_queue",
        "_scheme",
        "_server",
        "_size",
        "_target",
        "_trusted",
        "began",
        "entry",
        "id_line",
        "in_head",
        "incoming",
        "refusal",
        "refuses_head",
        "rest",
        "takes_more",
    )

    def __init__(self, server: HttpServer, inbound: ClientConnection, queue: deque[Exchange], scheme: str) -> None:
        self._server = server
        self._inbound = inbound
        self._queue = queue
        self._scheme = scheme
        self._forwarded = forwarding_lines(inbound.client, scheme, server.name)
        self._trusted = server.trusts(inbound.client)
        self._clock = server.clock
        self._limits = server.limits if server.has_request_limits else None  # of what it refuses
        self._make_id = server.make_id
        self._log = server.log
        self._parser = HttpRequestParser(self)
        self._postponed: tuple[Exchange, bytes] | None = None  # its body, framed so, is to be read by another parser
        self._fields: list[tuple[bytes, bytes]] = []
        self._target = b""
        self._barren = 0  # bytes since the parser last made something of them
        self.began = 0
        self.in_head = False
        self.incoming: Exchange | None = None
        self.refusal: BadMessage | None = None
        self.refuses_head = False
        self.entry: AccessRecord | None = None
        self.id_line = b""
        self.rest = b""
        self.takes_more = True

    def feed(self, data: bytes) -> None:
        """Take what the client has sent."""
        if not self.takes_more:
            if self.refusal is None:
                self.rest += data
            return
        self._barren += len(data)
        while data:
            try:
                self._parser.feed_data(data)
                break
            except HttpParserUpgrade as upgrade:
                data = self._go_beyond(data[upgrade.args[0] :])
            except HttpParserError as error:
                self.refuse(_what_is_wrong(error, data))
                return
        if self._barren > _MAX_HEAD and self.takes_more:
            self.refuse(BadMessage(431, "head-too-large") if self.in_head else BadMessage(400, "bad-request"))

    def refuse(self, refusal: BadMessage) -> None:
        """Answer what came before, then this, and nothing more."""
        unfinished, self.incoming = self.incoming, None
        method = unfinished.method if unfinished else self._target and self._parser.get_method()
        self.refusal, self.refuses_head = refusal, method == b"HEAD"
        self.takes_more = False
        if unfinished is not None:
            self.id_line = unfinished.id_line
            self.entry = self._inbound.spoiled(unfinished, refusal)
        else:
            self.id_line = b"" if self._make_id is None else request_id_line(self._make_id())
            self.entry = self._entry_of_unread()
        self.in_head = False

    def decline_switch(self) -> None:
        """The backend went on in HTTP: so may the client."""
        self.takes_more = True
        self._parser = HttpRequestParser(self)
        rest, self.rest = self.rest, b""
        self.feed(rest)

    # The parser's side

    def on_message_begin(self) -> None:
        self.in_head = True
        self.began = self._clock.tick
        self._target = b""
        self._fields = []
        self._barren = 0

    def on_url(self, target: bytes) -> None:
        self._target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        self.in_head = False
        self._barren = 0
        if self._postponed is not None:
            self._take_up_postponed()
            return
        parser = self._parser
        method, version = parser.get_method(), parser.get_http_version()
        if version not in _VERSIONS:
            raise BadMessage(505, "version-not-supported")
        if method == b"CONNECT":
            raise BadMessage(405, "no-connect")
        head = self._make_head(method, version)
        if self._limits is not None:
            self._size = 0
            check_head(head, self._limits)
        fields, self._fields = self._fields, []  # trailers from here on
        self._target = b""  # what is refused from here on is another request
        keep_alive = parser.should_keep_alive() and not head.closes  # which our parser forgets, in HTTP/1.0
        exchange = Exchange(self._inbound, method, head, keep_alive, version == "1.0")
        if self._make_id is None:
            exchange.id_line = b""  # it is nothing that we would answer with
        if self._log is not None:
            exchange.entry = self._make_entry(method, head.target, version, head.id_line, fields)
        self._queue.append(exchange)
        if head.framing and not head.upgrade and parser.should_upgrade():
            self._postponed = (exchange, head.framing)
        else:
            self.incoming = exchange

    def on_body(self, data: bytes) -> None:
        self._barren = 0
        if self._limits is not None:
            self._size += len(data)
            check_body(self._size, self._limits)
        if self.incoming is not None:
            self.incoming.add_body(data)

    def on_message_complete(self) -> None:
        self._barren = 0
        if self.incoming is not None:
            self.incoming.end_body(self._fields)
            self.incoming = None

    # Private

    def _make_head(self, method: bytes, version: str) -> RequestHead:
        if not self._trusted:
            return request_head(method, self._target, version, self._fields, self._forwarded, b"", self._make_id)
        said = trusted_forwarded_fields(self._fields)
        forwarded = forwarding_lines(self._inbound.client, self._scheme, self._server.name, said)
        host = said.get(b"x-forwarded-host", b"")
        return request_head(method, self._target, version, self._fields, forwarded, host, self._make_id)

    def _make_entry(self, method: bytes, target: bytes, version: str, id_line: bytes, fields: Fields) -> AccessRecord:
        wanted = self._log.headers if self._log is not None else frozenset()
        headers = {name.lower(): value for name, value in fields if name.lower() in wanted} if wanted else {}
        upstream, client = self._inbound.upstream, self._inbound.client
        return AccessRecord(
            upstream.pool.service, upstream.connections.port, client, method, target, version, id_line, headers
        )

    def _entry_of_unread(self) -> AccessRecord | None:
        """The entry of what was no whole request, with as much of it as was read."""
        if self._log is None:
            return None
        method, version = (self._parser.get_method(), self._parser.get_http_version()) if self._target else (b"", "")
        return self._make_entry(method, self._target, version, self.id_line, [])

    def _go_beyond(self, rest: bytes) -> bytes:
        """The parser leaves what follows a request with `Upgrade` to others; returns what is HTTP all the same."""
        if self._queue[-1].upgrade:
            self.takes_more = False
            self.rest = rest
            return b""
        self._parser = HttpRequestParser(self)
        if self._postponed is None:
            return rest
        return b"POST / HTTP/1.1\r\n" + self._postponed[1] + b"\r\n" + rest

    def _take_up_postponed(self) -> None:
        assert self._postponed is not None
        self.incoming, self._postponed = self._postponed[0], None
        self._fields = []


# Private


def _what_is_wrong(error: HttpParserError, data: bytes) -> BadMessage:
    if isinstance(error, HttpParserInvalidMethodError) and _METHOD.match(data):
        return BadMessage(501, "unknown-method")
    cause = error.__context__ if isinstance(error, HttpParserCallbackError) else None
    if cause is None or isinstance(cause, BadMessage):
        return cause or BadMessage(400, "bad-request")
    report(cause)
    return BadMessage(500, "internal-error")
