"""The connection to a backend: reads responses, which are not trusted, and hands them to their exchange."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Final, cast

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpResponseParser

from composectl.balance.backend import Backend, join_address
from composectl.balance.phase import Phase
from composectl.proxy.errors import BadMessage, ErrorReason, log_internal_error
from composectl.proxy.exchange import BackendStream, Exchange
from composectl.proxy.first_bytes import reason_for_backend
from composectl.proxy.head import Fields, RequestHead, ResponseHead, interim_head, response_head
from composectl.proxy.http1.chunks import ChunkLines
from composectl.proxy.http1.encoding import CLOSE, encode_body, last_chunk
from composectl.proxy.http1.head_end import HeadEnd
from composectl.proxy.limits import Limits
from composectl.proxy.sockets import give_up_soon, is_quiet, unsent
from composectl.proxy.trailers import check_response_trailers

_START: Final = b"HTTP/1.1 "
_MAX_HEAD: Final = 64 * 1024
_MAX_INTERIM: Final = 32
_CHUNKED_HEAD: Final = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n%b\r\n"
_STALLED_SECONDS: Final = 75
_NO_TRAILERS: Final[Fields] = []


class BackendConnection(BackendStream):
    """Carries one exchange at a time; `backend_line` names the backend to the client, `number_line` to itself.

    `on_idle`: called when it may carry another exchange, and returns whether it is kept. `on_lost`: called when it was
    closed while it was kept.
    """

    __slots__ = (
        "_address_lost",
        "_backend_line",
        "_body",
        "_bytes_since_progress",
        "_checks_version",
        "_chunk_lines",
        "_complete",
        "_early",
        "_exchange",
        "_fields",
        "_head",
        "_head_end",
        "_idle_seconds",
        "_in_body",
        "_interim_count",
        "_interims",
        "_maybe_stale",
        "_number_line",
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
        "_unsent",
        "backend",
        "idle_since",
        "shows_end",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(
        self,
        backend: Backend,
        backend_line: bytes,
        number_line: bytes,
        on_idle: Callable[[BackendConnection], None],
        on_lost: Callable[[BackendConnection], None],
    ) -> None:
        self.backend = backend
        self._backend_line = backend_line
        self._number_line = number_line
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
        self._early = b""  # what came before the first request: the backend speaks first
        self._head_end = HeadEnd()
        self._chunk_lines: ChunkLines | None = None  # of a chunked body
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
        self._unsent = -1  # as it was last seen
        self._interim_count = 0
        self._checks_version = False  # which the first bytes have not told
        self._in_body = False
        self._complete = False
        self._reusable = False
        self.shows_end = True
        self._trailers = _NO_TRAILERS
        if self._early:
            asyncio.get_running_loop().call_soon(self._deliver_early)

    def send(self, head: RequestHead | None, body: list[bytes], trailers: Fields | None, *, once: bool) -> bool:
        if self._current().request.chunked:
            parts = encode_body(body)
            if trailers is not None:
                parts.append(last_chunk(trailers))
        else:
            parts = body
        start = b"" if head is None else head.data if head.has_host else head.data_for(self._authority())
        if self._number_line and head is not None:
            start = b"%b%b\r\n" % (start[:-2], self._number_line)
        data = b"".join((start, *parts)) if parts else start
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
        exchange = self._current()
        if self._paused or not exchange.awaits_backend:
            return
        self._idle_seconds += 1
        timeout = limits.idle_timeout if self._in_body else limits.response_timeout
        if not exchange.uploaded:
            timeout = _STALLED_SECONDS if timeout is None else timeout
            left = unsent(self.transport)
            if left != self._unsent:
                self._idle_seconds = self._idle_seconds if self._unsent < 0 else 0
                self._unsent = left
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
            if self._responses:
                self.transport.abort()  # a response without a request
            else:
                self._early += data
            return
        if not exchange.response_started:
            exchange.response_started = True
            if self._early:
                self._early, data = b"", self._early + data
            if not data.startswith(_START):
                self._checks_version = True
                if (reason := reason_for_backend(data)) is not None:
                    self._fail(reason)
                    return
        self._idle_seconds = 0
        self._bytes_since_progress += len(data)
        try:
            if self._chunk_lines is None:
                self._feed(data)
            else:
                self._feed_chunks(data, self._chunk_lines)
        except HttpParserUpgrade as upgrade:
            if self._respond(exchange, None):
                self._exchange = None
                exchange.upgraded(self.transport, data[upgrade.args[0] :])
            return
        except (HttpParserError, BadMessage) as error:
            if not self._complete:
                self._fail(_reason_of(error))
                return
            self._reusable = False  # the response was whole; what follows it belongs to no request
        if self._complete:
            self._finish(exchange)
        elif self._respond(exchange, None) and self._bytes_since_progress > _MAX_HEAD:
            self._fail(ErrorReason.HEAD_TOO_LARGE)

    def eof_received(self) -> None:
        if self._exchange is not None and not self.shows_end and not self._complete:
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
        self._head_end.begun = True
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
        self._head_end.begun = False
        if status < 200:
            self._add_interim(status)
            self._head_end.find()
            self._checks_version = True
            return
        if self._checks_version and not self._parser.get_http_version().startswith("1."):
            raise BadMessage(502, ErrorReason.BAD_RESPONSE)
        if self._in_body:
            self._be_strict()  # this head stands for another one: see `_begin_chunks`
            self._fields = []
            return
        to_head = self._current().request.method == b"HEAD"
        head = response_head(status, self._reason, self._fields, backend_line=self._backend_line, to_head=to_head)
        self._fields = []  # for the trailers
        self._head = head
        self._status = status
        self.shows_end = head.chunked or not head.unsized
        self._in_body = True
        self._bytes_since_progress = 0
        if head.chunked:
            self._be_strict()
        if to_head:
            self._complete = True
            self._reusable = self._keeps_alive()
        elif head.chunked:
            self._begin_chunks()

    def on_body(self, data: bytes) -> None:
        self._bytes_since_progress = 0
        if self._complete:
            self._reusable = False
        else:
            self._body.append(data)

    def on_message_complete(self) -> None:
        if self._in_body and not self._complete:
            if self._fields:
                check_response_trailers(self._fields)
                self._trailers = self._fields
            self._complete = True
            self._reusable = self._keeps_alive()

    # Private

    def _current(self) -> Exchange:
        assert self._exchange is not None
        return self._exchange

    def _deliver_early(self) -> None:
        if self._early and self._exchange is not None:
            self.data_received(b"")

    def _feed(self, data: bytes) -> None:
        self._head_end.reading(data)
        try:
            self._parser.feed_data(data)
        except HttpParserCallbackError as error:
            replaced = error.__context__
            if not isinstance(replaced, _Replaced):
                raise
        else:
            replaced = None
        finally:
            self._head_end.has_read()
        if replaced is not None:  # beyond `except`, which would be the context of what is raised
            self._parser = self._make_parser()
            self._parser.feed_data(replaced.head)
            self._parser.feed_data(replaced.rest)

    def _feed_chunks(self, data: bytes, lines: ChunkLines) -> None:
        plain = None if lines.last else lines.take(data)
        self._parser.feed_data(data if plain is None else plain + data[lines.end :])

    def _begin_chunks(self) -> None:
        """Let the parser go on, or, where it would not take the lines, raise what another parser is to read instead."""
        lines = self._chunk_lines = ChunkLines(502, ErrorReason.BAD_RESPONSE)
        data = self._head_end.data
        plain = lines.take(data, self._head_end.find())
        if plain is not None:
            raise _Replaced(_CHUNKED_HEAD % (b"" if self._keeps_alive() else CLOSE), plain + data[lines.end :])

    def _be_strict(self) -> None:
        self._parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=False)
        self._strict = True

    def _authority(self) -> bytes:
        host, port = self.transport.get_extra_info("peername")[:2]
        return join_address(host, port).encode()

    def _keeps_alive(self) -> bool:
        """RFC 9112, section 9.3; a transfer coding in HTTP/1.0 is faulty framing (section 6.1)."""
        parser = self._parser
        faulty = self._strict and self._checks_version and parser.get_http_version() == "1.0"
        return parser.should_keep_alive() and not faulty

    def _make_parser(self) -> HttpResponseParser:
        parser = HttpResponseParser(self)
        # CGI scripts end their lines so; RFC 9112, section 2.2, allows it in heads, and the proxy itself writes CRLF.
        # A later minor version is read as HTTP/1.1 (RFC 9110, section 2.5).
        parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True, lenient_version=True)
        self._strict = False
        return parser

    def _add_interim(self, status: int) -> None:
        self._interim_count += 1
        if self._interim_count > _MAX_INTERIM:
            raise BadMessage(502, ErrorReason.TOO_MANY_INTERIM_RESPONSES)
        exchange = self._current()
        if status == 101 and not (exchange.uploaded and self._parser.should_upgrade()):
            raise BadMessage(502, ErrorReason.UNASKED_UPGRADE)
        backend_line = self._backend_line if status == 101 else b""
        head = interim_head(status, self._reason, self._fields, backend_line)
        if status == 101 and not exchange.request.accepts_switch(head):
            raise BadMessage(502, ErrorReason.UNASKED_UPGRADE)
        self._interims.append(head)

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
        self._chunk_lines = None
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


class _Replaced(Exception):
    """Another parser is to read `head` and `rest` instead of what is left."""

    def __init__(self, head: bytes, rest: bytes) -> None:
        super().__init__()
        self.head = head
        self.rest = rest


def _write(descriptor: int, data: bytes) -> int:
    try:
        return os.write(descriptor, data)
    except OSError:  # the transport will meet it too
        return 0


def _reason_of(error: Exception) -> ErrorReason:
    cause = error.__context__ if isinstance(error, HttpParserCallbackError) else None
    if isinstance(error, BadMessage):
        cause = error
    if cause is None or isinstance(cause, BadMessage):
        return cause.reason if cause else ErrorReason.BAD_RESPONSE
    log_internal_error(cause)
    return ErrorReason.INTERNAL_ERROR
