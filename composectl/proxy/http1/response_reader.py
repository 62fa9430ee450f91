"""The responses of a backend, which are not trusted, one after the other: what has come of each, checked."""

from __future__ import annotations

from typing import Final

from httptools import HttpParserCallbackError, HttpResponseParser

from composectl.proxy.backend_stream import BackendStream, ResponseReceiver
from composectl.proxy.errors import BadMessage, ErrorReason, log_internal_error
from composectl.proxy.head import Fields, ResponseHead, interim_head, response_head
from composectl.proxy.http1.chunks import ChunkLines
from composectl.proxy.http1.encoding import CLOSE
from composectl.proxy.http1.head_end import HeadEnd
from composectl.proxy.trailers import check_response_trailers

_MAX_INTERIM: Final = 32
_CHUNKED_HEAD: Final = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n%b\r\n"
_NO_TRAILERS: Final[Fields] = []
_LARGE: Final = 6  # digits: of such a body the parser gets what comes with the head
_NOT_MODIFIED: Final = 304


class ResponseReader(BackendStream):
    """`_left`: what is still to come of a large body whose length is known, past the parser; 0 for any other.

    `_spent`: the parser still waits for such a body, and reads no further response.
    """

    __slots__ = (
        "_backend_line",
        "_body",
        "_bytes_since_progress",
        "_checks_version",
        "_chunk_lines",
        "_complete",
        "_exchange",
        "_fields",
        "_head",
        "_head_end",
        "_in_body",
        "_interim_count",
        "_interims",
        "_left",
        "_parser",
        "_reason",
        "_reusable",
        "_spent",
        "_status",
        "_strict",
        "_trailers",
        "shows_end",
    )

    def __init__(self, backend_line: bytes) -> None:
        self._backend_line = backend_line
        self._exchange: ResponseReceiver | None = None
        self._parser = self._make_parser()
        # What has come since the exchange was given the last part
        self._interims: list[ResponseHead] = []
        self._head: ResponseHead | None = None
        self._body: list[bytes] = []
        self._fields: Fields = []
        self._reason = b""
        self._head_end = HeadEnd()
        self._chunk_lines: ChunkLines | None = None  # of a chunked body

    def start(self, exchange: ResponseReceiver) -> None:
        self._exchange = exchange
        self._status = 0
        self._bytes_since_progress = 0  # of the parser
        self._interim_count = 0
        self._checks_version = False  # which the first bytes have not told
        self._in_body = False
        self._complete = False
        self._reusable = False
        self._left = 0
        self.shows_end = True
        self._trailers = _NO_TRAILERS

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
        elif head.length is not None and len(head.length) >= _LARGE and status != _NOT_MODIFIED:
            self._left = int(head.length)

    def on_body(self, data: bytes) -> None:
        self._bytes_since_progress = 0
        if self._complete:
            self._reusable = False
        else:
            self._body.append(data)
            if self._left:
                self._left -= len(data)

    def on_message_complete(self) -> None:
        if self._in_body and not self._complete:
            if self._fields:
                check_response_trailers(self._fields)
                self._trailers = self._fields
            self._complete = True
            self._reusable = self._keeps_alive()

    # Private

    def _current(self) -> ResponseReceiver:
        assert self._exchange is not None
        return self._exchange

    def _read(self, data: bytes) -> None:
        """Raises HttpParserError, HttpParserUpgrade among them, and BadMessage."""
        if self._left:
            self._take_large(data)
        elif self._chunk_lines is None:
            self._feed(data)
        else:
            self._feed_chunks(data, self._chunk_lines)

    def _take_cached(self, head: ResponseHead, body: bytes) -> None:
        """A whole response has come, as one did before; the parser stands before the next one."""
        self._head = head
        self._status = head.status
        if body:
            self._body.append(body)
        self._complete = self._reusable = True

    def _take_large(self, data: bytes) -> None:
        """Take more of a body that goes past the parser."""
        self._bytes_since_progress = 0
        surplus = len(data) - self._left
        self._body.append(data if surplus <= 0 else data[:-surplus])
        self._skip_large(min(len(data), self._left))
        if surplus > 0:
            self._reusable = False

    def _skip_large(self, size: int) -> None:
        """So many bytes of such a body have come."""
        self._left -= size
        if not self._left:
            self._complete = True
            self._reusable = self._keeps_alive()
            self._spent = True

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
        self._strict = self._spent = False
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


def reason_of_failure(error: Exception) -> ErrorReason:
    """Why a response could not be read, as the parser or a check has raised it."""
    cause = error.__context__ if isinstance(error, HttpParserCallbackError) else None
    if isinstance(error, BadMessage):
        cause = error
    if cause is None or isinstance(cause, BadMessage):
        return cause.reason if cause else ErrorReason.BAD_RESPONSE
    log_internal_error(cause)
    return ErrorReason.INTERNAL_ERROR


# Private


class _Replaced(Exception):
    """Another parser is to read `head` and `rest` instead of what is left."""

    def __init__(self, head: bytes, rest: bytes) -> None:
        super().__init__()
        self.head = head
        self.rest = rest
