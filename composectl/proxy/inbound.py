"""The connection of a client: reads requests, strictly, and answers them in their order."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from typing import TYPE_CHECKING, cast

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser

from composectl.proxy.admission import admit, admit_body
from composectl.proxy.date import http_date
from composectl.proxy.exchange import Exchange
from composectl.proxy.fault import report
from composectl.proxy.head import BadHead, RequestHead, forwarded_for, request_head, said_of_others
from composectl.proxy.pages import error_page

if TYPE_CHECKING:
    from composectl.proxy.server import ProxyServer

_MAX_HEAD = 32 * 1024
_HEAD_SECONDS = 10
_IDLE_SECONDS = 75
_LINGER_SECONDS = 5
_MAX_REST = 64 * 1024
_MAX_QUEUE = 16

_RESET = struct.pack("ii", 1, 0)  # linger, for no time at all


class Inbound(asyncio.Protocol):
    """Queues the requests as they come; the first of the queue is the one that is being answered.

    `answering`: a byte of the response to the current request was sent; `closing`: no further request is taken;
    `client`: the address of the other side; `holds_upload`: the backend takes no more of the current request now.
    """

    __slots__ = (
        "_awaits_switch",
        "_barren",
        "_congested",
        "_fields",
        "_forwarded",
        "_in_head",
        "_incoming",
        "_lingering",
        "_parser",
        "_postponed",
        "_pumping",
        "_queue",
        "_reading",
        "_refusal",
        "_refuses_head",
        "_rest",
        "_server",
        "_since",
        "_size",
        "_target",
        "_transport",
        "_trusted",
        "_unsent",
        "answering",
        "client",
        "closing",
        "holds_upload",
    )

    client: str
    _transport: asyncio.Transport

    def __init__(self, server: ProxyServer) -> None:
        self._server = server
        self._parser = HttpRequestParser(self)
        self._queue: deque[Exchange] = deque()
        self._incoming: Exchange | None = None  # its body is still coming
        self._postponed: tuple[Exchange, bytes] | None = None  # its body, framed so, is to be read by another parser
        self._refusal: BadHead | None = None  # what to answer after the queue, and no more
        self._awaits_switch = False
        self._rest = b""  # what follows a request to switch protocols
        self._fields: list[tuple[bytes, bytes]] = []
        self._target = b""
        self._barren = 0  # bytes since the parser last made something of them
        self._in_head = False
        self._reading = True
        self.holds_upload = False
        self._congested = False
        self._pumping = False
        self._lingering = False
        self._unsent = 0
        self._since = server.tick
        self.answering = False
        self.closing = False

    # The exchange's side

    def close_after(self) -> None:
        """The connection ends with the response to the current request."""
        self.closing = True

    def write(self, data: bytes) -> None:
        """Send a part of the response to the current request."""
        self._transport.write(data)

    def finished(self, exchange: Exchange) -> None:
        """The response to the current request was sent whole."""
        self._queue.popleft()
        self.answering = False
        self._since = self._server.tick
        if self.closing:
            self._end(linger=not exchange.uploaded)
            return
        if self._awaits_switch and not self._queue:
            self._decline_switch()
        self._pump()
        self._regulate()

    def break_off(self, *, reset: bool) -> None:
        """The rest of the response will never come: the client must see that it is not whole.

        `reset`: an orderly end of the connection would be the end of the body.
        """
        if reset:
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._transport.abort()
        self._end(linger=False)

    def hold_upload(self) -> None:
        """Read no more of the current request for now."""
        self.holds_upload = True
        self._regulate()

    def release_upload(self) -> None:
        """Read on."""
        if self.holds_upload:
            self.holds_upload = False
            self._regulate()

    def hand_over(self) -> tuple[asyncio.Transport, bytes]:
        """Give the connection away to a tunnel, with what the client sent behind its request."""
        self._queue.clear()
        self._server.tunnelled(self, self._transport)
        return self._transport, self._rest

    def taken_back(self) -> None:
        """The tunnel has ended."""
        self._server.untunnelled(self._transport)

    # The server's side

    def close(self) -> None:
        """Take no further request; end as soon as the current one is answered."""
        self.closing = True
        if not self._queue:
            self._transport.close()

    def abort(self) -> None:
        """End now."""
        self._transport.abort()

    def sweep(self, tick: int) -> None:
        """Enforce the deadlines; called once a second."""
        if self._queue:
            self._queue[0].sweep(self._server.limits)
        waited = tick - self._since
        if self._lingering:
            self._linger(tick)
        elif self._in_head and self._reading and waited > _HEAD_SECONDS and self._refusal is None:
            self._refuse(BadHead(408, "head-too-slow"))
            self._pump()
        elif not self._queue and waited > _IDLE_SECONDS:
            self._end(linger=False)

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.client = peer[0] if peer else "unknown"
        scheme = "https" if transport.get_extra_info("sslcontext") else "http"
        self._forwarded = forwarded_for(self.client, scheme, self._server.name)
        self._trusted = self._server.trusts(self.client)
        self._server.opened(self)

    def data_received(self, data: bytes) -> None:
        if self._lingering or self._refusal is not None:
            return
        if self._awaits_switch:
            self._rest += data
            self._regulate()
            return
        try:
            self._feed(data)
            self._pump()
            self._regulate()
        except Exception as fault:
            self._admit(fault)

    def pause_writing(self) -> None:
        self._congested = True
        if self._queue:
            self._queue[0].pause_response()

    def resume_writing(self) -> None:
        self._congested = False
        if self._queue:
            self._queue[0].resume_response()
        self._pump()
        self._regulate()

    def connection_lost(self, error: Exception | None) -> None:
        self._server.gone(self)
        if self._queue:
            self._queue[0].client_gone()
            self._queue.clear()

    # The parser's side

    def on_message_begin(self) -> None:
        self._in_head = True
        self._since = self._server.tick
        self._target = b""
        self._fields = []
        self._barren = 0

    def on_url(self, target: bytes) -> None:
        self._target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._barren = 0
        if self._postponed is not None:
            self._take_up_postponed()
            return
        method, version = self._parser.get_method(), self._parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise BadHead(505, "version-not-supported")
        if method == b"CONNECT":
            raise BadHead(405, "no-connect")
        head = self._make_head(method, version)
        if self._server.is_choosy:
            self._size = 0
            admit(head, self._server.limits)
        self._fields = []  # trailers from here on
        exchange = Exchange(
            self._server.route,
            self,
            method,
            head,
            keep_alive=self._parser.should_keep_alive(),
            http_1_0=version == "1.0",
        )
        self._queue.append(exchange)
        if head.framing and not head.upgrade and self._parser.should_upgrade():
            self._postponed = (exchange, head.framing)
        else:
            self._incoming = exchange

    def on_body(self, data: bytes) -> None:
        self._barren = 0
        if self._server.is_choosy:
            self._size += len(data)
            admit_body(self._size, self._server.limits)
        if self._incoming is not None:
            self._incoming.add_body(data)

    def on_message_complete(self) -> None:
        self._barren = 0
        if self._incoming is not None:
            self._incoming.end_body(self._fields)
            self._incoming = None

    # Private

    def _make_head(self, method: bytes, version: str) -> RequestHead:
        if not self._trusted:
            return request_head(method, self._target, version, self._fields, self._forwarded)
        said = said_of_others(self._fields)
        scheme = "https" if self._transport.get_extra_info("sslcontext") else "http"
        forwarded = forwarded_for(self.client, scheme, self._server.name, said)
        return request_head(method, self._target, version, self._fields, forwarded, said.get(b"x-forwarded-host", b""))

    def _feed(self, data: bytes) -> None:
        self._barren += len(data)
        while data:
            try:
                self._parser.feed_data(data)
                break
            except HttpParserUpgrade as upgrade:
                data = self._go_beyond(data[upgrade.args[0] :])
            except HttpParserError as error:
                self._refuse(_what_is_wrong(error))
                break
        if self._barren > _MAX_HEAD and self._refusal is None:
            self._refuse(BadHead(431, "head-too-large") if self._in_head else BadHead(400, "bad-request"))

    def _go_beyond(self, rest: bytes) -> bytes:
        """The parser leaves what follows a request with `Upgrade` to others; returns what is HTTP all the same."""
        if self._queue[-1].upgrade:
            self._awaits_switch = True
            self._rest = rest
            return b""
        self._parser = HttpRequestParser(self)
        if self._postponed is None:
            return rest
        return b"POST / HTTP/1.1\r\n" + self._postponed[1] + b"\r\n" + rest

    def _take_up_postponed(self) -> None:
        assert self._postponed is not None
        self._incoming, self._postponed = self._postponed[0], None
        self._fields = []

    def _pump(self) -> None:
        """Begin the first request of the queue, or send on what has come of it."""
        if self._pumping:
            return
        self._pumping = True
        while self._queue and not self._queue[0].begun and not self._congested:
            self._queue[0].begin()
        self._pumping = False
        if self._queue:
            self._queue[0].flush()
        elif self._refusal is not None and not self._lingering:
            status, reason, body = self._refusal.status, self._refusal.reason, not self._refuses_head
            self._transport.write(error_page(status, reason, date=http_date(), close=True, body=body))
            self._end(linger=True)

    def _regulate(self) -> None:
        """Read while there is somewhere to put what is read: that is also how the end of a client shows."""
        incoming = self._incoming
        reads = not (
            self.holds_upload
            or (incoming is not None and not incoming.begun)
            or len(self._queue) > _MAX_QUEUE
            or len(self._rest) > _MAX_REST
        )
        if reads != self._reading and not self._transport.is_closing():
            self._reading = reads
            if reads:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    def _refuse(self, refusal: BadHead) -> None:
        """Answer what came before, then this, and nothing more."""
        unfinished, self._incoming = self._incoming, None
        method = unfinished.method if unfinished else self._target and self._parser.get_method()
        self._refusal, self._refuses_head = refusal, method == b"HEAD"
        self._in_head = False
        if unfinished is None:
            return
        unfinished.client_gone()  # the backend must not take it for a whole request
        self._queue.remove(unfinished)
        if self.answering and not self._queue:
            self.break_off(reset=unfinished.http_1_0)

    def _admit(self, fault: Exception) -> None:
        """A fault of ours ends this connection, with an answer where none was begun, and no other."""
        report(fault)
        if self._queue:
            self._queue[0].client_gone()
            self._queue.clear()
        if self.answering:
            self.break_off(reset=True)
        elif not self._lingering:
            self._transport.write(error_page(500, "internal-error", date=http_date(), close=True))
            self._end(linger=True)

    def _decline_switch(self) -> None:
        """The backend went on in HTTP: so may the client."""
        self._awaits_switch = False
        self._parser = HttpRequestParser(self)
        rest, self._rest = self._rest, b""
        if rest:
            self._feed(rest)

    def _end(self, *, linger: bool) -> None:
        """Close, with nothing unread left behind where that would take our last words away (RFC 9112, section 9.6)."""
        self._queue.clear()
        self._lingering = True
        self.holds_upload = self._awaits_switch = False
        self._rest = b""
        self._since = self._server.tick
        if linger and self._transport.can_write_eof() and not self._transport.is_closing():
            self._write_eof()
            self._regulate()
        else:
            self._transport.close()

    def _write_eof(self) -> None:
        try:
            self._transport.write_eof()
        except OSError:  # the client has gone, unnoticed while we did not read
            self._transport.abort()

    def _linger(self, tick: int) -> None:
        """Wait for the client to take what is not yet sent, then, for less long, to close."""
        unsent = self._transport.get_write_buffer_size()
        if unsent != self._unsent:
            self._unsent, self._since = unsent, tick
        elif tick - self._since > (_IDLE_SECONDS if unsent else _LINGER_SECONDS):
            self._transport.abort()


# Private


def _what_is_wrong(error: HttpParserError) -> BadHead:
    cause = error.__context__ if isinstance(error, HttpParserCallbackError) else None
    if cause is None or isinstance(cause, BadHead):
        return cause or BadHead(400, "bad-request")
    report(cause)
    return BadHead(500, "internal-error")
