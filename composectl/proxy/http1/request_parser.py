"""The parser of a client's bytes: makes exchanges of them, strictly."""

from __future__ import annotations

from collections import deque
from typing import Final

from httptools import (
    HttpParserCallbackError,
    HttpParserError,
    HttpParserUpgrade,
    HttpRequestParser,
)

from composectl.proxy.client_stream import ClientStream
from composectl.proxy.errors import BadMessage, ErrorReason, log_internal_error
from composectl.proxy.exchange import Exchange
from composectl.proxy.head import Fields
from composectl.proxy.http1.chunks import ChunkLines
from composectl.proxy.http1.dispatcher import Dispatcher, Rejection
from composectl.proxy.http1.request_line import KNOWN_METHOD, check_version, other_method
from composectl.proxy.limits import check_body
from composectl.proxy.listener_context import ListenerContext
from composectl.proxy.peer import Peer
from composectl.proxy.router import Router
from composectl.proxy.trailers import check_request_trailers
from composectl.proxy.upstreams import Upstreams

_MAX_HEAD: Final = 32 * 1024
_MAX_UNPARSED: Final = 64 * 1024
_MAX_KEPT: Final = 256 * 1024
_MAX_EXCHANGES: Final = 16
_HTTP_1_1: Final = b" HTTP/1.1\r\n"
_BLANK_LINE: Final = b"\r\n\r\n"
_LONGEST_TAIL: Final = 3  # of what may be the beginning of a blank line
_LENGTH: Final = b"Content-Length: "
_LARGE: Final = 64 * 1024  # bytes: such a body goes past the parser


class RequestParser:
    """Appends an exchange to `exchanges` for each head, and feeds it with the body; 16 wait at most.

    `accepts_more`: false after a request to switch protocols, and once there is a `rejection`. `unparsed`: what follows
    such a request. `head_since`: the tick at which an unfinished head began, None where there is none.
    """

    __slots__ = (
        "_begun",
        "_body_left",
        "_bytes_since_progress",
        "_chunk_lines",
        "_client",
        "_context",
        "_deferred",
        "_dispatcher",
        "_fields",
        "_had_head",
        "_head",
        "_is_large",
        "_kept",
        "_kept_from",
        "_method",
        "_parser",
        "_receiving",
        "_size",
        "_target",
        "_unread",
        "accepts_more",
        "exchanges",
        "head_since",
        "rejection",
        "unparsed",
    )

    _deferred: Exchange | None  # its body is to be read by another parser
    _chunk_lines: ChunkLines | None  # of a body in chunks
    _receiving: Exchange | None  # its body is still coming

    def __init__(
        self, context: ListenerContext, client: ClientStream, upstreams: Upstreams, router: Router | None = None
    ) -> None:
        self._context = context
        self._client = client
        self._dispatcher = Dispatcher(context, client, upstreams, router)
        self._parser = self._make_parser()
        self.exchanges: deque[Exchange] = deque()

    def begin(self, scheme: str, server_name: bytes) -> None:
        """A connection of the client has been opened: the first one, or another one once the last `is_whole`."""
        self._dispatcher.begin(Peer(self._context, self._client.address, scheme), server_name)
        self._begun = b""  # what was read of a head that is not whole yet
        self._had_head = False
        self._head = b""  # the rest of it, which is being read
        self._unread = b""  # of a head, as it may be the start of a method
        self._method = b""  # one that the parser does not know, which was given another one in its place
        self._deferred = self._chunk_lines = self._receiving = None
        self._body_left = 0  # of a body with a length
        self._is_large = False
        self._fields: Fields = []
        self._target = b""
        self._size = 0  # of the body
        self._bytes_since_progress = 0  # of the parser
        self._kept = b""  # what came behind the last exchange that may wait,
        self._kept_from = 0  # from here on
        self.head_since: int | None = None
        self.rejection: Rejection | None = None
        self.unparsed = b""
        self.accepts_more = True

    def feed(self, data: bytes) -> bool:
        """Take what the client has sent; returns whether the last request is whole, and another one may come."""
        if not self.accepts_more:
            if self.rejection is None:
                self.unparsed += data
            return False
        if self._receiving is None:
            cached = self._dispatcher.find(data)
            if cached is not None and self._is_between and len(self.exchanges) < _MAX_EXCHANGES:
                exchange = self._dispatcher.dispatch_cached(cached)
                exchange.end_body([])
                self._append(exchange)
                return True
        if self._kept:
            self._kept, self._kept_from = self._kept[self._kept_from :] + data, 0
            self.feed_kept()
        else:
            self._parse(data, 0)
        return self._receiving is None and self.accepts_more and not self._kept

    def feed_kept(self) -> None:
        """Take more of what the client has sent already, as far as exchanges may wait."""
        if len(self.exchanges) < _MAX_EXCHANGES:
            kept, at = self._kept, self._kept_from
            self._kept, self._kept_from = b"", 0
            self._parse(kept, at)

    def discard(self) -> None:
        """Free what came and is not used: the client has gone."""
        if self._receiving is not None or self._kept:
            self.accepts_more = False
        self._kept = self.unparsed = b""
        self._receiving = None

    @property
    def is_whole(self) -> bool:
        """Whether it stands between two requests, as at its beginning."""
        return self.accepts_more and self._is_between

    def reject(self, message: BadMessage) -> None:
        """The exchanges before are answered, then this, and nothing more."""
        exchange, self._receiving = self._receiving, None
        self.accepts_more = False
        self.head_since = None
        if exchange is not None:
            self.rejection = self._dispatcher.reject_body(message, exchange)
            self.exchanges.remove(exchange)
            return
        method, version = b"", ""
        if self._target:
            method, version = self._method or self._parser.get_method(), self._parser.get_http_version()
        self.rejection = self._dispatcher.reject(message, method, self._target, version)

    def resume_http(self) -> None:
        """The backend has not switched protocols, and neither does the client."""
        self.accepts_more = True
        self._parser = self._make_parser()
        unparsed, self.unparsed = self.unparsed, b""
        self.feed(unparsed)

    @property
    def has_kept(self) -> bool:
        """Whether something waits for `feed_kept`."""
        return bool(self._kept)

    @property
    def large_left(self) -> int:
        """What is still to come of a large body of known length, the only one that is being received; 0 else."""
        receiving = self._receiving
        if receiving is None or not self._is_large or self.exchanges[0] is not receiving:
            return 0
        return self._body_left

    def skip_large(self, size: int) -> None:
        """So many bytes of such a body have gone elsewhere."""
        self._size += size
        self._body_left -= size
        if not self._body_left:
            self._parser = self._make_parser()  # the old one waits for the body
            self.on_message_complete()

    @property
    def is_ahead(self) -> bool:
        """Whether it has read more than can be used now."""
        receiving = self._receiving
        return (
            (receiving is not None and not receiving.started)
            or len(self._kept) - self._kept_from > _MAX_KEPT
            or len(self.unparsed) > _MAX_UNPARSED
        )

    # llhttp's side

    def on_message_begin(self) -> None:
        if self.head_since is None:  # else it is a head that is read anew
            self.head_since = self._context.tick
        self._target = b""
        self._fields = []
        self._bytes_since_progress = 0

    def on_url(self, target: bytes) -> None:
        self._target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        self.head_since = None
        self._bytes_since_progress = 0
        if self._deferred is not None:
            exchange, self._deferred = self._deferred, None
            self._receive(exchange)
            self._fields = []
            return
        parser = self._parser
        method = self._method or parser.get_method()
        version = self._version(method)
        if method == b"CONNECT":
            raise BadMessage(405, ErrorReason.NO_CONNECT)
        data = b"" if self._begun or self._method else self._head
        keep_alive = parser.should_keep_alive()
        exchange = self._dispatcher.dispatch(method, self._target, version, self._fields, data, keep_alive=keep_alive)
        self._append(exchange)
        self._fields = []  # trailers from here on
        self._target = b""  # what is rejected from here on is another request
        self._size = 0
        self._method = self._begun = self._head = b""
        head = exchange.request
        if head.framing and not head.upgrade and parser.should_upgrade():
            self._deferred = exchange
        else:
            self._receive(exchange)

    def on_body(self, data: bytes) -> None:
        self._bytes_since_progress = 0
        limits = self._dispatcher.limits
        if limits is not None:
            self._size += len(data)
            check_body(self._size, limits)
        self._body_left -= len(data)
        if self._receiving is not None:
            self._receiving.add_body(data)

    def on_message_complete(self) -> None:
        self._bytes_since_progress = 0
        if self._receiving is not None:
            if self._fields:
                size = check_request_trailers(self._fields)
                limits = self._dispatcher.limits
                if limits is not None:
                    check_body(self._size + size, limits)
            self._receiving.end_body(self._fields)
            self._receiving = None

    # Private

    @property
    def _is_between(self) -> bool:
        """Whether no byte of a head has come, nor is a body to be read by another parser."""
        return self.head_since is None and not (self._kept or self._begun or self._unread or self._deferred is not None)

    def _append(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)
        self._had_head = True

    def _make_parser(self) -> HttpRequestParser:
        parser = HttpRequestParser(self)
        # For the version see `check_version`. After `close` it may read the requests of another connection.
        parser.set_dangerous_leniencies(lenient_version=True, lenient_keep_alive=True)
        return parser

    def _parse(self, data: bytes, at: int) -> None:
        """Feed the parser, one head or body after the other: it does not tell where in the data one ends."""
        self._bytes_since_progress += len(data) - at
        if self._unread:
            self._unread, data, at = b"", self._unread + data[at:], 0
        replaced = b""
        while at < len(data) and self.accepts_more:
            if self._receiving is None and len(self.exchanges) >= _MAX_EXCHANGES:
                self._kept, self._kept_from = data, at
                return
            try:
                at = self._parse_head(data, at) if self._receiving is None else self._parse_body(data, at)
            except HttpParserUpgrade as upgrade:
                data, at = self._after_upgrade(data[at + upgrade.args[0] :]), 0
            except HttpParserError as error:
                end = self._end_of_head(data, at) or len(data)
                replaced, at = self._after_error(error, data[at:end]), end
            except BadMessage as message:
                self.reject(message)
            if replaced:  # beyond `except`, which would be the context of what is raised
                self._parse(replaced, 0)
                replaced = b""
        if at < len(data) and self.rejection is None:
            self.unparsed += data[at:]
        if self._bytes_since_progress > _MAX_HEAD and self.accepts_more:
            too_large = BadMessage(431, ErrorReason.HEAD_TOO_LARGE)
            self.reject(BadMessage(400, ErrorReason.BAD_REQUEST) if self.head_since is None else too_large)

    def _parse_head(self, data: bytes, at: int) -> int:
        """Read from `at` up to the end of the head; returns where that is."""
        end = self._end_of_head(data, at)
        head = data if not at and end in (0, len(data)) else data[at:end] if end else data[at:]
        self._head = head
        self._parser.feed_data(head)
        if self.head_since is not None:
            if end:
                raise HttpParserError("after PRI, llhttp waits for the rest of the preface of HTTP/2")
            self._begun += head
        return end or len(data)

    def _end_of_head(self, data: bytes, at: int) -> int:
        """0 where it is not there yet."""
        if self._begun:
            tail = self._begun[-_LONGEST_TAIL:]
            found = (tail + data).find(_BLANK_LINE)
            return found + len(_BLANK_LINE) - len(tail) if found >= 0 else 0
        found = data.find(_BLANK_LINE, at)
        return found + len(_BLANK_LINE) if found >= 0 else 0

    def _parse_body(self, data: bytes, at: int) -> int:
        """Read from `at` up to the end of the body, or a part of it; returns where that is."""
        lines, plain = self._chunk_lines, None
        if self._is_large:
            end = min(at + self._body_left, len(data))
            self.on_body(data[at:end])
            self.skip_large(0)
            return end
        if lines is None:
            end = at + self._body_left
        elif lines.last:  # a trailer
            end = data.find(b"\n", at) + 1 or len(data)
        else:
            plain = lines.take(data, at)
            end = lines.end
        self._parser.feed_data(data[at:end] if plain is None else plain)
        return end

    def _receive(self, exchange: Exchange) -> None:
        self._receiving = exchange
        framing = exchange.request.framing
        if exchange.request.chunked:
            self._chunk_lines = ChunkLines(400, ErrorReason.BAD_REQUEST)
            self._is_large = False
        else:
            self._chunk_lines = None
            self._body_left = int(framing[len(_LENGTH) :]) if framing else 0
            self._is_large = self._body_left > _LARGE

    def _version(self, method: bytes) -> str:
        """1.0 or 1.1. Raises BadMessage."""
        if not (self._begun or self._method):
            at = len(method) + 1 + len(self._target)
            # A request line has no other place for this; the parser makes a text of the version.
            if self._head[at : at + len(_HTTP_1_1)] == _HTTP_1_1:
                return "1.1"
        return check_version(self._parser.get_http_version(), self._begun + self._head)

    def _after_error(self, error: HttpParserError, data: bytes) -> bytes:
        """Reject the request, unless the parser does not know its method: returns the head with another one."""
        cause = error.__context__ if isinstance(error, HttpParserCallbackError) else None
        if isinstance(cause, BadMessage):
            self.reject(cause)
        elif cause is not None:
            log_internal_error(cause)
            self.reject(BadMessage(500, ErrorReason.INTERNAL_ERROR))
        elif self._receiving is not None:
            self.reject(BadMessage(400, ErrorReason.BAD_REQUEST))
        else:
            return self._after_error_in_head(self._begun + data)
        return b""

    def _after_error_in_head(self, head: bytes) -> bytes:
        if self._method:
            head = self._method + head.removeprefix(KNOWN_METHOD)
        try:
            method, rest = other_method(head, is_first=not self._had_head, is_known=bool(self._method))
        except BadMessage as message:
            self.reject(message)
            return b""
        self._parser = self._make_parser()
        self._begun = b""
        if not method:
            self._unread = head
            return b""
        self._method = method
        return KNOWN_METHOD + rest

    def _after_upgrade(self, rest: bytes) -> bytes:
        """The parser stops behind a request with `Upgrade`; returns what is to be parsed as HTTP all the same."""
        if self.exchanges[-1].request.upgrade:
            self.accepts_more = False
            self.unparsed = rest
            return b""
        self._parser = self._make_parser()
        if self._deferred is None:
            return rest
        return b"POST / HTTP/1.1\r\n" + self._deferred.request.framing + b"\r\n" + rest
