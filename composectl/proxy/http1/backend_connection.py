"""The connection to a backend: reads responses, which are not trusted, and relays them."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, cast

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpResponseParser

from composectl.balance.phase import Phase
from composectl.proxy.error_pages import http_date
from composectl.proxy.head import BadMessage, check_trailers, interim_head, last_chunk, response_head
from composectl.proxy.sockets import give_up_soon, is_quiet, report

if TYPE_CHECKING:
    from composectl.balance.backend import Backend
    from composectl.proxy.connection_pool import ConnectionPool
    from composectl.proxy.exchange import Exchange
    from composectl.proxy.limits import Limits

_MAX_HEAD = 64 * 1024
_MAX_INTERIM = 32


class BackendConnection:
    """Carries one exchange at a time; `identity` is the line that names the backend to the client."""

    __slots__ = (
        "_barren",
        "_chunked",
        "_complete",
        "_connections",
        "_doubtful",
        "_exchange",
        "_fields",
        "_forsaken",
        "_identity",
        "_in_body",
        "_interims",
        "_out",
        "_parser",
        "_paused",
        "_quiet",
        "_reason",
        "_reusable",
        "_status",
        "_strict",
        "_until_close",
        "backend",
        "idle_since",
        "served",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, connections: ConnectionPool, backend: Backend, identity: bytes) -> None:
        self._connections = connections
        self.backend = backend
        self._identity = identity
        self._exchange: Exchange | None = None
        self._parser = self._make_parser()
        self._out: list[bytes] = []
        self._fields: list[tuple[bytes, bytes]] = []
        self._paused = False
        self._doubtful = False  # it was kept, and may be closed by now
        self._forsaken = False  # the address of its backend is not known to be its own any more
        self.served = 0
        self.idle_since = 0

    # The exchange's side

    def carry(self, exchange: Exchange) -> None:
        """The next response belongs to this exchange."""
        self._exchange = exchange
        self._doubtful = self.served > 0
        self._status = 0
        self._barren = 0  # bytes since the parser last made something of them
        self._quiet = 0  # seconds since it was our turn to wait, or since the last byte
        self._interims = 0
        self._in_body = False
        self._complete = False
        self._reusable = False
        self._until_close = False

    def send_once(self, data: bytes) -> bool:
        """Send a part of what must not be sent twice; false where the backend had ended, and nothing was sent."""
        if self._doubtful:
            self._doubtful = False
            descriptor = self.transport.get_extra_info("socket").fileno()
            if not is_quiet(descriptor):
                return False
            # Now, and not at the end of the loop's turn: the backend may be closing.
            data = data[_write(descriptor, data) :]
        if data:
            self.transport.write(data)
        return True

    def pause_reading(self) -> None:
        """The client cannot take more now."""
        if not self._paused:
            self._paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """The client takes more again."""
        if self._paused:
            self._paused = False
            self.transport.resume_reading()

    def sweep(self, limits: Limits) -> None:
        """A second has passed: end the exchange whose backend is silent for too long."""
        if self.backend.phase is Phase.GONE and not self._forsaken:
            self._forsaken = True
            give_up_soon(self.transport)
        if self._paused or not (self._asked.uploaded or self._asked.inbound.holds_upload):
            return  # it is the client that is waited for
        self._quiet += 1
        patience = limits.idle_timeout if self._in_body else limits.response_timeout
        if patience is not None and self._quiet > patience:
            self._break("backend-too-slow")

    def drop(self) -> None:
        """Nobody waits for the response any more."""
        self._exchange = None
        self.transport.abort()

    def close(self) -> None:
        """End an idle connection."""
        self.transport.close()

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            self.transport.abort()  # nobody asked
            return
        exchange.heard = True
        self._quiet = 0
        self._barren += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            self._switch(exchange, data[upgrade.args[0] :])
            return
        except HttpParserError as error:
            if not self._complete:
                self._break(_reason(error))
                return
            self._reusable = False  # the response was whole; what follows it is not for anybody
        if self._out:
            out, self._out = self._out, []
            inbound = exchange.inbound
            inbound.transport.write(out[0] if len(out) == 1 else b"".join(out))
            inbound.answering = self._in_body
        if self._complete:
            self._finish()
        elif self._barren > _MAX_HEAD:
            self._break("head-too-large")

    def eof_received(self) -> None:
        if self._exchange is not None and self._until_close and not self._complete:
            if self._chunked:
                self._exchange.inbound.transport.write(last_chunk([]))
            self._finish()

    def connection_lost(self, error: Exception | None) -> None:
        if self._exchange is None:
            self._connections.lost(self)
        else:
            self._break("backend-hung-up")

    def pause_writing(self) -> None:
        if self._exchange is not None and not self._exchange.uploaded:
            self._exchange.inbound.hold_upload()

    def resume_writing(self) -> None:
        if self._exchange is not None:
            self._exchange.inbound.release_upload()

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
            raise BadMessage(502, "bad-status")
        if status < 200:
            self._relay_interim(status)
        else:
            self._relay_head(status)

    def on_body(self, data: bytes) -> None:
        self._barren = 0
        if self._complete:
            self._reusable = False
            return
        if self._chunked:
            self._out += (b"%x\r\n" % len(data), data, b"\r\n")
        else:
            self._out.append(data)
        exchange = self._exchange
        if exchange is not None and exchange.entry is not None:
            exchange.entry.sent += len(data)

    def on_message_complete(self) -> None:
        if self._in_body and not self._complete:
            check_trailers(self._fields)
            if self._chunked:
                self._out.append(last_chunk(self._fields if self._asked.trailers_welcome else []))
            self._complete = True
            self._reusable = self._parser.should_keep_alive()

    # Private

    @property
    def _asked(self) -> Exchange:
        assert self._exchange is not None
        return self._exchange

    def _make_parser(self) -> HttpResponseParser:
        parser = HttpResponseParser(self)
        # CGI scripts end their lines so; RFC 9112, section 2.2, allows it in heads, and what we write ends in CRLF.
        parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True)
        self._strict = False
        return parser

    def _be_strict(self) -> None:
        self._parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=False)
        self._strict = True

    def _relay_head(self, status: int) -> None:
        exchange = self._asked
        head = response_head(
            status,
            self._reason,
            self._fields,
            identity=self._identity,
            id_line=exchange.id_line,
            bodyless=exchange.method == b"HEAD",
            keep_alive=exchange.keep_alive and exchange.uploaded and not exchange.inbound.closing,
            http_1_0=exchange.http_1_0,
            date=http_date,
        )
        self._fields = []  # trailers from here on
        self._status, self._chunked, self._until_close = status, head.chunked, head.until_close
        self._in_body = True
        self._barren = 0
        if exchange.entry is not None:
            exchange.entry.status = status
        if head.closes:
            exchange.inbound.close_after()
        if head.came_chunked:
            self._be_strict()
        self._out.append(head.data)
        if exchange.method == b"HEAD":
            self._complete = True
            self._reusable = self._parser.should_keep_alive()

    def _relay_interim(self, status: int) -> None:
        exchange = self._asked
        self._interims += 1
        if self._interims > _MAX_INTERIM:
            raise BadMessage(502, "too-many-interim-responses")
        asked_for = exchange.upgrade and exchange.uploaded
        if status == 101 and not (asked_for and self._parser.should_upgrade()):
            raise BadMessage(502, "unasked-upgrade")
        identity, id_line = (self._identity, exchange.id_line) if status == 101 else (b"", b"")
        head = interim_head(status, self._reason, self._fields, identity, id_line)
        if not exchange.http_1_0:
            self._out.append(head)

    def _switch(self, exchange: Exchange, rest: bytes) -> None:
        self._exchange = None
        if exchange.entry is not None:
            exchange.entry.sent = len(rest)
        exchange.switched(self, b"".join(self._out) + rest)

    def _finish(self) -> None:
        exchange, self._exchange = self._asked, None
        if self._paused:
            self.resume_reading()
        if exchange.method == b"HEAD" or self._strict:
            self._parser = self._make_parser()  # the old one waits for a body, or takes no bare line feed
        self.served += 1
        if self._reusable and exchange.uploaded and not self.transport.get_write_buffer_size():
            self._connections.keep(self)
        else:
            self.transport.abort()  # what is not yet sent of the request is of no use any more
        exchange.completed(self._status)

    def _break(self, reason: str) -> None:
        exchange, self._exchange = self._asked, None
        self._out.clear()
        self.transport.abort()
        exchange.broken(reason, reused=self.served > 0)


# Private


def _write(descriptor: int, data: bytes) -> int:
    try:
        return os.write(descriptor, data)
    except OSError:  # the transport will meet it too, and tell
        return 0


def _reason(error: HttpParserError) -> str:
    cause = error.__context__ if isinstance(error, HttpParserCallbackError) else None
    if cause is None or isinstance(cause, BadMessage):
        return cause.reason if cause else "bad-response"
    report(cause)
    return "internal-error"
