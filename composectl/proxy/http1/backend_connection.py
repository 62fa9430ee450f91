"""The connection to a backend: reads responses, which are not trusted, and hands them to their exchange."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Final, cast

from httptools import HttpParserError, HttpParserUpgrade

from composectl.balance.backend import Backend, join_address
from composectl.balance.phase import Phase
from composectl.proxy.backend_stream import ResponseReceiver
from composectl.proxy.body_splice import WORTH, BodySplice
from composectl.proxy.errors import BadMessage, ErrorReason, log_internal_error
from composectl.proxy.first_bytes import reason_for_backend
from composectl.proxy.head import Fields, RequestHead, ResponseHead
from composectl.proxy.http1.encoding import encode_body, last_chunk
from composectl.proxy.http1.head_cache import ResponseHeadCache, start_of
from composectl.proxy.http1.response_reader import ResponseReader, reason_of_failure
from composectl.proxy.limits import Limits
from composectl.proxy.sockets import give_up_soon, is_quiet, unsent
from composectl.proxy.splice import can_splice

_START: Final = b"HTTP/1.1 "
_MAX_HEAD: Final = 64 * 1024
_STALLED_SECONDS: Final = 75


class BackendConnection(ResponseReader):
    """Carries one exchange at a time; `backend_line` names the backend to the client, `number_line` to itself.

    `on_idle`: called when it may carry another exchange, and returns whether it is kept. `on_lost`: called when it was
    closed while it was kept.
    """

    __slots__ = (
        "_address_lost",
        "_early",
        "_head_cache",
        "_idle_seconds",
        "_maybe_stale",
        "_number_line",
        "_on_idle",
        "_on_lost",
        "_paused",
        "_responses",
        "_rest",
        "_unsent",
        "backend",
        "idle_since",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(
        self,
        backend: Backend,
        backend_line: bytes,
        number_line: bytes,
        head_cache: ResponseHeadCache,
        on_idle: Callable[[BackendConnection], None],
        on_lost: Callable[[BackendConnection], None],
    ) -> None:
        super().__init__(backend_line)
        self.backend = backend
        self._number_line = number_line
        self._head_cache = head_cache
        self._on_idle = on_idle
        self._on_lost = on_lost
        self._early = b""  # what came before the first request: the backend speaks first
        self._rest: BodySplice | None = None  # of a large body
        self._paused = False
        self._maybe_stale = False  # it was kept, and may be closed by now
        self._address_lost = False  # another may have the address of its backend
        self._responses = 0
        self.idle_since = 0

    # The exchange's side

    def start(self, exchange: ResponseReceiver) -> None:
        super().start(exchange)
        self._maybe_stale = self._responses > 0
        self._idle_seconds = 0  # since it was the backend's turn, or since the last byte
        self._unsent: int | None = None  # as it was last seen
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
        data = parts[0] if head is None and len(parts) == 1 else b"".join((start, *parts)) if parts else start
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
            if self._rest is None or not self._start_splice(self._rest):
                self.transport.resume_reading()

    def sweep(self, limits: Limits) -> None:
        if self.backend.phase is Phase.GONE and not self._address_lost:
            self._address_lost = True
            give_up_soon(self.transport)
        exchange = self._current()
        if self._rest is not None and self._rest.is_moving and not self._rest.sweep():
            self._idle_seconds = 0
            return
        if self._paused or not exchange.awaits_backend:
            return
        self._idle_seconds += 1
        timeout = limits.idle_timeout if self._in_body else limits.response_timeout
        if not exchange.uploaded:
            timeout = _STALLED_SECONDS if timeout is None else timeout
            left = unsent(self.transport) + exchange.spliced
            if left != self._unsent:
                self._idle_seconds = self._idle_seconds if self._unsent is None else 0
                self._unsent = left
        if timeout is not None and self._idle_seconds > timeout:
            self._fail(ErrorReason.BACKEND_TOO_SLOW)

    def upload_target(self) -> asyncio.Transport | None:
        return self.transport if can_splice(self.transport) and not self.transport.is_closing() else None

    def cancel(self) -> None:
        self._stop_splice()
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
        start = b""  # its head, where it may be cached
        if not exchange.response_started:
            exchange.response_started = True
            if self._early:
                self._early, data = b"", self._early + data
            if not data.startswith(_START):
                self._checks_version = True
                if (reason := reason_for_backend(data)) is not None:
                    self._fail(reason)
                    return
            elif self._head_cache.admission.enabled and exchange.request.method != b"HEAD":
                start = start_of(data)
                head = self._head_cache.get(start, len(data) - len(start))
                if head is not None:
                    self._take_cached(head, data[len(start) :])
                    self._finish(exchange)
                    return
        self._idle_seconds = 0
        self._bytes_since_progress += len(data)
        try:
            self._read(data)
        except HttpParserUpgrade as upgrade:
            if self._respond(exchange, None):
                self._exchange = None
                exchange.upgraded(self.transport, data[upgrade.args[0] :])
            return
        except (HttpParserError, BadMessage) as error:
            if not self._complete:
                self._fail(reason_of_failure(error))
                return
            self._reusable = False  # the response was whole; what follows it belongs to no request
        if self._complete:
            if start and self._reusable and self._head is not None and not self._interims:
                self._offer(start, len(data) - len(start), self._head)
            self._finish(exchange)
        elif self._respond(exchange, None):
            if self._left >= WORTH:
                self._splice(exchange)
            elif self._bytes_since_progress > _MAX_HEAD:
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

    # Private

    def _offer(self, start: bytes, size: int, head: ResponseHead) -> None:
        """A whole response has come: its head is worth a place in the cache, if it comes again."""
        if self._head_cache.admits(start, size, head):
            self._head_cache.put(start, head)

    def _deliver_early(self) -> None:
        if self._early and self._exchange is not None:
            self.data_received(b"")

    def _authority(self) -> bytes:
        host, port = self.transport.get_extra_info("peername")[:2]
        return join_address(host, port).encode()

    def _respond(self, exchange: ResponseReceiver, trailers: Fields | None) -> bool:
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

    def _splice(self, exchange: ResponseReceiver) -> None:
        """The rest of the body need not pass this process."""
        if self._rest is not None:
            return
        target = exchange.response_target() if can_splice(self.transport) else None
        if target is not None:
            rest = self._rest = BodySplice(self.transport, target, self._left, self._splice_ended)
            if not self._paused and not self._start_splice(rest):
                self.transport.resume_reading()

    def _start_splice(self, rest: BodySplice) -> bool:
        """False where the body has to go on through this process."""
        if rest.start():
            return True
        self._stop_splice()
        return False

    def _stop_splice(self) -> None:
        rest, self._rest = self._rest, None
        if rest is not None:
            moved = rest.stop()
            self._skip_large(moved)
            self._current().count_spliced(0, moved)

    def _splice_ended(self, error: OSError | None, of_source: bool) -> None:
        exchange, rest = self._current(), self._rest
        self._stop_splice()
        if error is not None and not of_source and rest is not None:
            rest.target.abort()
        elif not self._complete:
            self._fail(ErrorReason.BACKEND_HUNG_UP)
        else:
            # What else has come belongs to no request, and would be taken for the next response.
            self._reusable = self._reusable and is_quiet(self.transport.get_extra_info("socket").fileno())
            self.transport.resume_reading()
            self._finish(exchange)

    def _finish(self, exchange: ResponseReceiver) -> None:
        if not self._respond(exchange, self._trailers):
            return
        self._exchange = None
        self._chunk_lines = None
        if self._paused:
            self.resume()
        if self._strict or self._spent or exchange.request.method == b"HEAD":
            self._parser = self._make_parser()  # the old one waits for a body, or takes no bare line feed
        self._responses += 1
        if self._reusable and exchange.uploaded and not self.transport.get_write_buffer_size():
            self._on_idle(self)
        else:
            self.transport.abort()  # what is not yet sent of the request is of no use any more
        exchange.finished(self._status)

    def _fail(self, reason: ErrorReason) -> None:
        self._stop_splice()
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
