"""The connection to a backend: reads responses, which are not trusted, and hands them to their exchange."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import cast

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpResponseParser

from composectl.balance.backend import Backend
from composectl.balance.phase import Phase
from composectl.proxy.errors import BadMessage, ErrorReason, log_internal_error
from composectl.proxy.exchange import BackendStream, Exchange
from composectl.proxy.head import Fields, RequestHead, ResponseHead, check_trailers, interim_head, response_head
from composectl.proxy.http1.encoding import encode_body, last_chunk
from composectl.proxy.limits import Limits
from composectl.proxy.sockets import give_up_soon, is_quiet

_MAX_HEAD = 64 * 1024
_MAX_INTERIM = 32
_NO_TRAILERS: Fields = []


class BackendConnection(BackendStream):
    """Carries one exchange at a time; `backend_line` is the line that names the backend to the client.

    `on_idle`: called when it may carry another exchange, and returns whether it is kept. `on_lost`: called when it was
    closed while it was kept.
    """

    __slots__ = (
        "_address_lost",
        "_backend_line",
        "_body",
        "_bytes_since_progress",
        "_complete",
        "_exchange",
        "_fields",
        "_head",
        "_idle_seconds",
        "_in_body",
        "_interim_count",
        "_interims",
        "_maybe_stale",
        "_on_idle",
        "_on_lost",
        "_parser",
        "_paused",
        "_reason",
        "_responses",
        "_reusable",
        "_status",
        "_strict",
        "_trailers",
        "_until_close",
        "backend",
        "idle_since",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(
        self,
        backend: Backend,
        backend_line: bytes,
        on_idle: Callable[[BackendConnection], None],
        on_lost: Callable[[BackendConnection], None],
    ) -> None:
        self.backend = backend
        self._backend_line = backend_line
        self._on_idle = on_idle
        self._on_lost = on_lost
        self._exchange: Exchange | None = None
        self._parser = self._make_parser()
        # What has come since the exchange was given the last part
        self._interims: list[ResponseHead] = []
        self._head: ResponseHead | None = None
        self._body: list[bytes] = []
        self._fields: Fields = []
        self._reason = b""
        self._paused = False
        self._maybe_stale = False  # it was kept, and may be closed by now
        self._address_lost = False  # another may have the address of its backend
        self._responses = 0
        self.idle_since = 0

    # The exchange's side

    def start(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._maybe_stale = self._responses > 0
        self._status = 0
        self._bytes_since_progress = 0  # of the parser
        self._idle_seconds = 0  # since it was the backend's turn, or since the last byte
        self._interim_count = 0
        self._in_body = False
        self._complete = False
        self._reusable = False
        self._until_close = False
        self._trailers = _NO_TRAILERS

    def send(self, head: RequestHead | None, body: list[bytes], trailers: Fields | None, *, once: bool) -> bool:
        if self._current().request.chunked:
            parts = encode_body(body)
            if trailers is not None:
                parts.append(last_chunk(trailers))
        else:
            parts = body
        data = b"".join(parts) if head is None else b"".join((head.data, *parts)) if parts else head.data
        if once and self._maybe_stale:
            self._maybe_stale = False
            descriptor = self.transport.get_extra_info("socket").fileno()
            if not is_quiet(descriptor):
                return False
            # Now, and not at the end of the loop's turn: the backend may be closing.
            data = data[_write(descriptor, data) :]
        if data:
            self.transport.write(data)
        return True

    def pause(self) -> None:
        if not self._paused:
            self._paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            self.transport.resume_reading()

    def sweep(self, limits: Limits) -> None:
        if self.backend.phase is Phase.GONE and not self._address_lost:
            self._address_lost = True
            give_up_soon(self.transport)
        if self._paused or not self._current().awaits_backend:
            return
        self._idle_seconds += 1
        timeout = limits.idle_timeout if self._in_body else limits.response_timeout
        if timeout is not None and self._idle_seconds > timeout:
            self._fail(ErrorReason.BACKEND_TOO_SLOW)

    def cancel(self) -> None:
        self._exchange = None
        self.transport.abort()

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            self.transport.abort()  # a response without a request
            return
        exchange.response_started = True
        self._idle_seconds = 0
        self._bytes_since_progress += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            if self._respond(exchange, None):
                self._exchange = None
                exchange.upgraded(self.transport, data[upgrade.args[0] :])
            return
        except HttpParserError as error:
            if not self._complete:
                self._fail(_reason_of(error))
                return
            self._reusable = False  # the response was whole; what follows it belongs to no request
        if self._complete:
            self._finish(exchange)
        elif self._respond(exchange, None) and self._bytes_since_progress > _MAX_HEAD:
            self._fail(ErrorReason.HEAD_TOO_LARGE)

    def eof_received(self) -> None:
        if self._exchange is not None and self._until_close and not self._complete:
            self._finish(self._exchange)

    def connection_lost(self, error: Exception | None) -> None:
        if self._exchange is None:
            self._on_lost(self)
        else:
            self._fail(ErrorReason.BACKEND_HUNG_UP)

    def pause_writing(self) -> None:
        if self._exchange is not None:
            self._exchange.pause_upload()

    def resume_writing(self) -> None:
        if self._exchange is not None:
            self._exchange.resume_upload()

    # The parser's side

    def on_message_begin(self) -> None:
        if self._complete:
            self._reusable = False  # it begins another response
        self._reason = b""
        self._fields = []

    def on_status(self, reason: bytes) -> None:
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if not 100 <= status < 600 or self._complete:
            raise BadMessage(502, ErrorReason.BAD_STATUS)
        if status < 200:
            self._add_interim(status)
            return
        to_head = self._current().request.method == b"HEAD"
        head = response_head(status, self._reason, self._fields, backend_line=self._backend_line, to_head=to_head)
        self._fields = []  # for the trailers
        self._head = head
        self._status = status
        self._until_close = head.unsized and not head.chunked
        self._in_body = True
        self._bytes_since_progress = 0
        if head.chunked:
            self._parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=False)
            self._strict = True
        if to_head:
            self._complete = True
            self._reusable = self._parser.should_keep_alive()

    def on_body(self, data: bytes) -> None:
        self._bytes_since_progress = 0
        if self._complete:
            self._reusable = False
        else:
            self._body.append(data)

    def on_message_complete(self) -> None:
        if self._in_body and not self._complete:
            if self._fields:
                check_trailers(self._fields)
                self._trailers = self._fields
            self._complete = True
            self._reusable = self._parser.should_keep_alive()

    # Private

    def _current(self) -> Exchange:
        assert self._exchange is not None
        return self._exchange

    def _make_parser(self) -> HttpResponseParser:
        parser = HttpResponseParser(self)
        # CGI scripts end their lines so; RFC 9112, section 2.2, allows it in heads, and the proxy itself writes CRLF.
        parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True)
        self._strict = False
        return parser

    def _add_interim(self, status: int) -> None:
        self._interim_count += 1
        if self._interim_count > _MAX_INTERIM:
            raise BadMessage(502, ErrorReason.TOO_MANY_INTERIM_RESPONSES)
        exchange = self._current()
        asked_for = exchange.request.upgrade and exchange.uploaded
        if status == 101 and not (asked_for and self._parser.should_upgrade()):
            raise BadMessage(502, ErrorReason.UNASKED_UPGRADE)
        backend_line = self._backend_line if status == 101 else b""
        self._interims.append(interim_head(status, self._reason, self._fields, backend_line))

    def _respond(self, exchange: Exchange, trailers: Fields | None) -> bool:
        """Hand over what has come; false where a bug was met."""
        try:
            if self._interims:
                interims, self._interims = self._interims, []
                for interim in interims:
                    exchange.respond_interim(interim)
            head, self._head = self._head, None
            body, self._body = self._body, []
            if head is not None or body or trailers is not None:
                exchange.respond(head, body, trailers)
        except Exception as error:
            log_internal_error(error)
            self._fail(ErrorReason.INTERNAL_ERROR)
            return False
        return True

    def _finish(self, exchange: Exchange) -> None:
        if not self._respond(exchange, self._trailers):
            return
        self._exchange = None
        if self._paused:
            self.resume()
        if self._strict or exchange.request.method == b"HEAD":
            self._parser = self._make_parser()  # the old one waits for a body, or takes no bare line feed
        self._responses += 1
        if self._reusable and exchange.uploaded and not self.transport.get_write_buffer_size():
            self._on_idle(self)
        else:
            self.transport.abort()  # what is not yet sent of the request is of no use any more
        exchange.finished(self._status)

    def _fail(self, reason: ErrorReason) -> None:
        exchange, self._exchange = self._current(), None
        self._head, self._body, self._interims = None, [], []
        self.transport.abort()
        exchange.failed(reason, reused=self._responses > 0)


# Private


def _write(descriptor: int, data: bytes) -> int:
    try:
        return os.write(descriptor, data)
    except OSError:  # the transport will meet it too
        return 0


def _reason_of(error: HttpParserError) -> ErrorReason:
    cause = error.__context__ if isinstance(error, HttpParserCallbackError) else None
    if cause is None or isinstance(cause, BadMessage):
        return cause.reason if cause else ErrorReason.BAD_RESPONSE
    log_internal_error(cause)
    return ErrorReason.INTERNAL_ERROR
