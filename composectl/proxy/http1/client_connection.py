"""The connection of a client: answers its requests in their order, and reads no faster than it can send on."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from typing import TYPE_CHECKING, cast

from composectl.proxy.error_pages import error_page, http_date
from composectl.proxy.exchange import Exchange
from composectl.proxy.head import BadMessage
from composectl.proxy.http1.lingering import Lingering
from composectl.proxy.http1.request_parser import RequestParser
from composectl.proxy.sockets import has_ended, report

if TYPE_CHECKING:
    from composectl.proxy.access_log_format import AccessRecord
    from composectl.proxy.server import HttpServer
    from composectl.proxy.upstream import Upstream

_HEAD_SECONDS = 10
_IDLE_SECONDS = 75
_MAX_REST = 64 * 1024
_MAX_QUEUE = 16
_RESET = struct.pack("ii", 1, 0)  # linger, for no time at all


class ClientConnection:
    """Queues the requests as they come; the first of the queue is the one that is being answered.

    `client`: the address of the other side; `answering`: a byte of the response to the current request was sent;
    `closing`: no further request is taken; `holds_upload`: the backend takes no more of the current request now.
    `cut`: it is we who end it before its time.
    """

    __slots__ = (
        "_clock",
        "_congested",
        "_ended",
        "_pumping",
        "_queue",
        "_reader",
        "_reading",
        "_server",
        "_since",
        "answering",
        "client",
        "closing",
        "cut",
        "holds_upload",
        "transport",
        "upstream",
    )

    transport: asyncio.Transport
    client: str
    _reader: RequestParser

    def __init__(self, server: HttpServer, upstream: Upstream) -> None:
        self._server = server
        self.upstream = upstream
        self._queue: deque[Exchange] = deque()
        self._reading = True
        self.holds_upload = False
        self._congested = False
        self._pumping = False
        self._ended = False
        self._clock = server.clock
        self._since = self._clock.tick
        self.answering = False
        self.closing = False
        self.cut = False

    # The exchange's side

    def close_after(self) -> None:
        """The connection ends with the response to the current request."""
        self.closing = True

    def finished(self, exchange: Exchange) -> None:
        """The response to the current request was sent whole."""
        self._queue.popleft()
        self.answering = False
        self._since = self._clock.tick
        if self.closing:
            self._end(linger=not exchange.uploaded)
        elif self._queue or not self._reading or not self._reader.takes_more:
            self._go_on()

    def break_off(self, *, reset: bool) -> None:
        """The rest of the response will never come: the client must see that it is not whole.

        `reset`: an orderly end of the connection would be the end of the body.
        """
        if reset:
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.transport.abort()
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

    def notice_end(self) -> None:
        """While nothing is read, the loop does not tell that the client has gone: ask the kernel."""
        if not self._reading and has_ended(self.transport.get_extra_info("socket").fileno()):
            self.transport.abort()

    def hand_over(self) -> tuple[asyncio.Transport, bytes]:
        """Give the connection away to a tunnel, with what the client sent behind its request."""
        self._queue.clear()
        self._server.tunnelled(self)
        return self.transport, self._reader.rest

    def taken_back(self) -> None:
        """The tunnel has ended."""
        self._server.untunnelled(self)

    def note(self, entry: AccessRecord | None, status: int, error: str) -> None:
        """Tell the access log, if there is one, how a request has ended: see `AccessRecord.end`."""
        log = self._server.log
        if log is not None and entry is not None:
            entry.end(status, error)
            log.record(entry)

    # The reader's side

    def spoiled(self, exchange: Exchange, refusal: BadMessage) -> AccessRecord | None:
        """The rest of this request cannot be read: the backend must not take it for a whole one. Returns its entry."""
        entry = exchange.forsake()
        self._queue.remove(exchange)
        if self.answering and not self._queue:
            self.note(entry, 0, refusal.reason)
            self.break_off(reset=exchange.http_1_0)
        return entry

    # The waiting room's side

    def own_up(self, fault: Exception) -> None:
        """A fault of ours ends this connection, with an answer where none was begun, and no other."""
        report(fault)
        refusal = BadMessage(500, "internal-error")
        first = self._queue[0] if self._queue else None
        entry = first.forsake() if first is not None else None
        self._queue.clear()
        if self.answering:
            self.note(entry, 0, refusal.reason)
            self.break_off(reset=True)
        elif not self._ended:
            self._say_last(refusal, entry, first.id_line if first is not None else b"", body=True)

    # The server's side

    def close(self) -> None:
        """Take no further request; end as soon as the current one is answered."""
        self.closing = True
        if not self._queue:
            self.transport.close()

    def abort(self) -> None:
        """End now."""
        self.cut = True
        self.transport.abort()

    def sweep(self, tick: int) -> None:
        """Enforce the deadlines; called once a second."""
        if self._queue:
            self._queue[0].sweep(self._server.limits)
        if self._reader.in_head and self._reading and tick - self._reader.began > _HEAD_SECONDS:
            self._reader.refuse(BadMessage(408, "head-too-slow"))
            self._pump()
        elif not (self._queue or self._reader.in_head or self._ended) and tick - self._since > _IDLE_SECONDS:
            self._end(linger=False)

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.client = peer[0] if peer else "unknown"
        scheme = "https" if transport.get_extra_info("sslcontext") else "http"
        self._reader = RequestParser(self._server, self, self._queue, scheme)
        self._server.opened(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._take(data)
        except Exception as fault:
            self.own_up(fault)

    def eof_received(self) -> None:
        """Who will send no more has gone, for us: the end follows."""

    def pause_writing(self) -> None:
        self._congested = True
        if self._queue:
            self._queue[0].pause_response()

    def resume_writing(self) -> None:
        self._congested = False
        if self._queue:
            self._queue[0].resume_response()
        self._go_on()

    def connection_lost(self, error: Exception | None) -> None:
        self._server.gone(self)
        if self._queue:
            self._queue[0].client_gone()
            self._queue.clear()

    # Private

    def _take(self, data: bytes) -> None:
        self._reader.feed(data)
        queue = self._queue
        if queue and queue[0].begun:
            queue[0].flush()
        else:
            self._pump()
        if len(queue) > 1 or self._reader.incoming is not None or not self._reader.takes_more:
            self._regulate()

    def _say_last(self, refusal: BadMessage, entry: AccessRecord | None, id_line: bytes, *, body: bool) -> None:
        page = error_page(refusal.status, refusal.reason, date=http_date(), close=True, body=body, id_line=id_line)
        self.transport.write(page)
        self.note(entry, refusal.status, refusal.reason)
        self._end(linger=True)

    def _go_on(self) -> None:
        reader = self._reader
        try:
            if not self._queue and not reader.takes_more and reader.refusal is None:
                reader.decline_switch()
            self._pump()
            self._regulate()
        except Exception as fault:
            self.own_up(fault)

    def _pump(self) -> None:
        """Begin the first request of the queue, and those behind it for as long as they are answered at once."""
        if self._pumping:
            return
        self._pumping = True
        queue = self._queue
        while queue and not queue[0].begun and not self._congested:
            queue[0].begin()
        self._pumping = False
        reader = self._reader
        if reader.refusal is not None and not queue and not self._ended:
            self._say_last(reader.refusal, reader.entry, reader.id_line, body=not reader.refuses_head)

    def _regulate(self) -> None:
        """Read while there is somewhere to put what is read: that is also how the end of a client shows."""
        incoming = self._reader.incoming
        reads = not (
            self.holds_upload
            or (incoming is not None and not incoming.begun)
            or len(self._queue) > _MAX_QUEUE
            or len(self._reader.rest) > _MAX_REST
        )
        if reads != self._reading and not self.transport.is_closing():
            self._reading = reads
            if reads:
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()

    def _end(self, *, linger: bool) -> None:
        """Nothing more is read or answered; `linger` where something may still come."""
        self._ended = True
        self._queue.clear()
        lingering = Lingering(self._server, self.transport)
        self._server.replaced(self, lingering)
        lingering.begin(wait=linger)
