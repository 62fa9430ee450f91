"""The connection of a client: answers its requests in their order, and reads no faster than it can send on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

from composectl.balance.backend import Backend
from composectl.proxy.access_log_format import AccessRecord
from composectl.proxy.body_splice import WORTH, BodySplice
from composectl.proxy.client_stream import ClientStream
from composectl.proxy.error_pages import body_size, error_page
from composectl.proxy.errors import BadMessage, ErrorReason, log_internal_error
from composectl.proxy.exchange import Exchange
from composectl.proxy.head import Fields, ResponseHead
from composectl.proxy.http1.encoding import encode_body, encode_interim, encode_response, http_date, last_chunk
from composectl.proxy.http1.lingering import linger
from composectl.proxy.http1.request_parser import RequestParser
from composectl.proxy.limits import IDLE_ENOUGH, OF_NO_USE
from composectl.proxy.listener_context import ListenerContext
from composectl.proxy.router import Router
from composectl.proxy.sockets import has_ended, has_unread, reset, unsent
from composectl.proxy.splice import can_splice
from composectl.proxy.tunnel import Tunnel
from composectl.proxy.upstreams import Upstreams

_COPIED: Final = 16 * 1024  # bytes: to join a larger piece to its head costs more than to write both
_FIRST_BYTES_SECONDS: Final = 1
_HEAD_SECONDS: Final = 10
_IDLE_SECONDS: Final = 75
_STALLED_SECONDS: Final = 75
_UNREAD_SECONDS: Final = 300


class ClientConnection(ClientStream):
    """Queues the exchanges as their requests come; the first of the queue is the one that is being answered.

    `detect` is asked until it says of the first bytes that they are HTTP/1. `held`: those that may be of another
    protocol. `closing`: no further request is taken. `keep` is called where it may be the connection of another client:
    `connection_made` begins anew.
    """

    __slots__ = (
        "_chunked",
        "_context",
        "_detect",
        "_detector",
        "_ended",
        "_keep",
        "_moved_at",
        "_parser",
        "_queue",
        "_reading",
        "_settled",
        "_starting",
        "_tunnel",
        "_tunnel_to",
        "_unsent",
        "_until_close",
        "_upload",
        "_write_paused",
        "closing",
        "held",
        "transport",
    )

    transport: asyncio.Transport
    closing: bool
    _reading: bool
    _detect: Callable[[ClientConnection, bytes], bool] | None
    _tunnel_to: Backend | None
    _tunnel: Tunnel | None
    _upload: BodySplice | None  # of the rest of a large body

    def __init__(
        self,
        context: ListenerContext,
        upstreams: Upstreams,
        detect: Callable[[ClientConnection, bytes], bool],
        keep: Callable[[ClientConnection], None],
        router: Router | None = None,
    ) -> None:
        self._context = context
        self._detector = detect
        self._keep = keep
        self._parser = RequestParser(context, self, upstreams, router)
        self._queue = self._parser.exchanges

    # The exchange's side

    def send(self, head: ResponseHead | None, body: list[bytes], trailers: Fields | None) -> None:
        exchange = self._queue[0]
        request = exchange.request
        if head is not None:
            keep_alive = request.keep_alive and exchange.uploaded and not self.closing
            id_line = b"" if self._context.make_id is None else request.id_line
            data, self._chunked, close = encode_response(head, id_line, keep_alive, request.http_1_0)
            self._until_close = head.unsized and not self._chunked
            if close:
                self.closing = True
            parts = [data, *encode_body(body)] if self._chunked else [data, *body]
        else:
            parts = encode_body(body) if self._chunked else body
        if trailers is not None and self._chunked:
            parts.append(last_chunk(trailers if request.trailers else []))
        if len(parts) == 2 and len(parts[1]) > _COPIED:
            self.transport.writelines(parts)
        else:
            self.transport.write(parts[0] if len(parts) == 1 else b"".join(parts))
        self._moved_at = self._context.tick
        self.responding = True

    def response_target(self) -> asyncio.Transport | None:
        may_splice = not (self._chunked or self.transport.is_closing()) and can_splice(self.transport)
        return self.transport if may_splice else None

    def send_interim(self, head: ResponseHead) -> None:
        request = self._queue[0].request
        if head.status == 101:
            self.transport.write(encode_interim(head, b"" if self._context.make_id is None else request.id_line))
        elif not request.http_1_0:
            self.transport.write(encode_interim(head))

    def send_error(self, status: int, reason: str, fields: Fields) -> int:
        exchange = self._queue[0]
        request = exchange.request
        self.closing = self.closing or not (request.keep_alive and exchange.uploaded)
        id_line = b"" if self._context.make_id is None else request.id_line
        body = request.method != b"HEAD"
        page = error_page(
            status, reason, date=http_date(), close=self.closing, body=body, id_line=id_line, fields=fields
        )
        self.transport.write(page)
        self._moved_at = self._context.tick
        return body_size(page)

    def finished(self) -> None:
        exchange = self._queue.popleft()
        self.responding = False
        self._settled = True
        if self.closing:
            self._end(wait=not exchange.uploaded)
        elif self._queue or not self._reading or not self._parser.accepts_more or self._parser.has_kept:
            self._continue()

    def abort_response(self) -> None:
        self._abort()

    def fail_internally(self, error: Exception) -> None:
        """A bug ends this connection, with a response where none had begun, and no other connection."""
        log_internal_error(error)
        first = self._queue[0] if self._queue else None
        record = first.cancel() if first is not None else None
        self._queue.clear()
        if self.responding:
            self.log_access(record, 0, ErrorReason.INTERNAL_ERROR)
            self._abort()
        elif not self._ended:
            id_line = first.request.id_line if first is not None and self._context.make_id is not None else b""
            self._send_last(500, ErrorReason.INTERNAL_ERROR, record, id_line, body=True)

    def pause_upload(self) -> None:
        self.upload_paused = True
        self._update_flow_control()

    def resume_upload(self) -> None:
        if self.upload_paused:
            self.upload_paused = False
            if self._upload is not None and not self._upload.is_moving:
                self._start_splice(self._upload)
            self._update_flow_control()

    def stop_upload(self) -> None:
        upload, self._upload = self._upload, None
        if upload is not None:
            moved = upload.stop()
            self._queue[0].count_spliced(moved, 0)
            self._parser.skip_large(moved)

    def detach(self, backend: Backend) -> tuple[asyncio.Transport, bytes]:
        self._tunnel_to = backend
        self._queue.clear()
        self._context.became_tunnel(self)
        unparsed = self._parser.unparsed
        self._parser.discard()
        return self.transport, unparsed

    def tunnel_opened(self, tunnel: Tunnel) -> None:
        self._tunnel = tunnel

    def tunnel_closed(self) -> None:
        self._context.closed(self)

    def log_access(self, record: AccessRecord | None, status: int, error: str) -> None:
        self._context.log_access(record, status, error)

    # The server's side

    def close(self) -> None:
        self.closing = True
        if not self._queue:
            self.transport.close()

    def close_after_response(self) -> None:
        # A response that has begun without such word cannot be the last: the next request may have been sent already.
        if not self.responding:
            self.closing = True

    def abort(self) -> None:
        self.aborted = True
        if self._queue or self._tunnel_to is not None:
            reset(self.transport)
        else:
            self.transport.abort()

    def cut(self, backend: Backend, *, spare_streams: bool = False) -> None:
        if spare_streams and (self._tunnel_to is not None or (self._queue and self._queue[0].may_end_in_order)):
            return
        if self._tunnel_to is backend or (self._queue and self._queue[0].is_at(backend)):
            self.abort()

    def idleness(self, tick: int) -> int:
        if self._queue or self._ended or tick - self._moved_at < IDLE_ENOUGH:
            return 0
        if self._parser.head_since is not None or self.held:
            return 1  # its request has begun to come
        return tick - self._moved_at + (OF_NO_USE if self._detect is not None else 0)

    def sweep(self, tick: int) -> None:
        if self._tunnel is not None:
            self._tunnel.sweep()
            return
        if self._upload is not None and self._upload.is_moving:
            self.upload_paused = self._upload.waits_for_target
            self._queue[0].spliced = self._upload.progress()
        if self._queue:
            if (self._write_paused or not self._reading) and not self._check_alive(tick):
                return
            self._queue[0].sweep()
        head_since = self._parser.head_since
        if self.held:
            if tick - self._moved_at > _FIRST_BYTES_SECONDS:
                self._receive(self._take_held())
        elif head_since is not None:
            if self._reading and tick - head_since > _HEAD_SECONDS:
                self._parser.reject(BadMessage(408, ErrorReason.HEAD_TOO_SLOW))
                self._start_next()
        elif not (self._queue or self._ended):
            if self._detect is not None:
                self._context.check_silence(tick, self._moved_at)
            if tick - self._moved_at > _IDLE_SECONDS:
                self._end(wait=False)

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        context = self._context
        self.transport = cast(asyncio.Transport, transport)
        self.address = context.peer_of(transport)[0]
        self._detect = self._detector
        self.held = b""
        self._moved_at = context.tick  # when it was last sent something, took some of it, or was told to wait
        self._unsent = 0
        self._reading = True
        self._write_paused = False
        self._starting = False
        self._ended = False
        self._settled = True  # no exchange refers to it
        self._tunnel_to = self._tunnel = self._upload = None
        self._chunked = False  # the body of the current response
        self._until_close = False  # its end is that of the connection
        self.upload_paused = self.responding = self.closing = self.aborted = False
        scheme = "https" if transport.get_extra_info("sslcontext") else "http"
        self._parser.begin(scheme, context.server_name_of(transport))
        context.opened(self)

    def data_received(self, data: bytes) -> None:
        if self._detect is not None:
            data = self.held + data
            if not self._detect(self, data):
                return
            self._take_held()
        self._receive(data)

    def eof_received(self) -> None:
        """A client that sends no more counts as gone: its connection is closed once it has what was sent."""
        if self._queue:
            self._queue[0].client_closed()
            self._end(wait=False)

    def pause_writing(self) -> None:
        self._write_paused = True
        if self._queue:
            self._queue[0].pause_response()

    def resume_writing(self) -> None:
        self._write_paused = False
        if self._queue:
            self._queue[0].resume_response()
        self._continue()

    def connection_lost(self, error: Exception | None) -> None:
        self._context.closed(self)
        if self._queue:
            self._queue[0].client_closed()
            self._queue.clear()
        self._parser.discard()
        if self._settled and self._parser.is_whole:
            self._keep(self)

    # Private

    def _take_held(self) -> bytes:
        """The first bytes are HTTP/1."""
        held, self.held, self._detect = self.held, b"", None
        return held

    def _receive(self, data: bytes) -> None:
        try:
            between_requests = self._parser.feed(data)
            if self._parser.rejection is not None:
                self._abort_rejected()
            queue = self._queue
            if queue and queue[0].started:
                queue[0].flush()
            else:
                self._start_next()
            if not between_requests or len(queue) > 1:
                if self._parser.large_left >= WORTH:
                    self._splice(queue[0])
                self._update_flow_control()
        except Exception as error:
            self.fail_internally(error)

    def _check_alive(self, tick: int) -> bool:
        """Whether it is: while nothing is read or sent, the loop does not tell that the client has gone.

        A client that has more to send than there is room for cannot even tell the kernel: it has left after a while.
        """
        transport = self.transport
        descriptor = transport.get_extra_info("socket").fileno()
        if not self._reading and has_ended(descriptor):
            self.eof_received()
            return False
        if self._write_paused and (left := unsent(transport)) != self._unsent:
            self._unsent, self._moved_at = left, tick
        # An upload pauses for its backend, or in the request queue, which have deadlines of their own.
        is_full = not (self._reading or self.upload_paused or self._upload is not None) and has_unread(descriptor)
        allowed = _STALLED_SECONDS if is_full else _UNREAD_SECONDS if self._write_paused else None
        if allowed is None or tick - self._moved_at <= allowed:
            return True
        transport.abort()
        return False

    def _abort_rejected(self) -> None:
        """The rest of the request that is being answered cannot be read."""
        rejection = self._parser.rejection
        if rejection is not None and self.responding and not self._queue:
            self.log_access(rejection.record, 0, rejection.message.reason)
            self._abort()

    def _continue(self) -> None:
        parser = self._parser
        try:
            if parser.has_kept:
                parser.feed_kept()
                self._abort_rejected()
            elif not self._queue and not parser.accepts_more and parser.rejection is None:
                parser.resume_http()
                self._abort_rejected()
            self._start_next()
            self._update_flow_control()
        except Exception as error:
            self.fail_internally(error)

    def _start_next(self) -> None:
        """Start the first exchange of the queue, and those behind it for as long as they are answered at once."""
        if self._starting:
            return
        self._starting = True
        queue = self._queue
        while queue and not queue[0].started and not self._write_paused:
            self._settled = False
            queue[0].start()
        self._starting = False
        rejection = self._parser.rejection
        if rejection is not None and not queue and not self._ended:
            message, to_head = rejection.message, rejection.to_head
            self._send_last(message.status, message.reason, rejection.record, rejection.id_line, body=not to_head)

    def _update_flow_control(self) -> None:
        """Read while there is somewhere to put what is read: that is also how the end of a client shows."""
        reads = not (self.upload_paused or self._parser.is_ahead or self._upload is not None)
        if reads != self._reading and not self.transport.is_closing():
            self._reading = reads
            if reads:
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()
                self._moved_at = self._context.tick

    def _splice(self, exchange: Exchange) -> None:
        """The rest of the request's body need not pass this process, once it cannot be sent a second time."""
        target = exchange.upload_target() if self._upload is None and can_splice(self.transport) else None
        if target is not None:
            upload = self._upload = BodySplice(self.transport, target, self._parser.large_left, self._splice_ended)
            if not self.upload_paused:
                self._start_splice(upload)

    def _start_splice(self, upload: BodySplice) -> None:
        self._update_flow_control()  # nothing is read meanwhile
        if not upload.start():
            self.stop_upload()

    def _splice_ended(self, error: OSError | None, of_source: bool) -> None:
        exchange = self._queue[0]
        self.stop_upload()
        if exchange.uploaded:
            exchange.flush()
            self._update_flow_control()
        elif error is None:
            self.eof_received()
        elif of_source:
            self.transport.abort()
        else:
            self.pause_upload()  # the backend's end will tell

    def _send_last(self, status: int, reason: str, record: AccessRecord | None, id_line: bytes, *, body: bool) -> None:
        page = error_page(status, reason, date=http_date(), close=True, body=body, id_line=id_line)
        self.transport.write(page)
        if record is not None:
            record.sent = body_size(page)
        self.log_access(record, status, reason)
        self._end(wait=True)

    def _abort(self) -> None:
        """End in the midst of a response, with a reset where an orderly end would be the end of the body."""
        if self._until_close:
            reset(self.transport)
        self._end(wait=False)

    def _end(self, *, wait: bool) -> None:
        """Nothing more is read or answered; `wait` where something may still come."""
        self._ended = True
        self._queue.clear()
        self._parser.discard()
        linger(self._context, self, self.transport, wait=wait)
