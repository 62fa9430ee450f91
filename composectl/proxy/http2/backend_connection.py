"""The connection to a backend that speaks HTTP/2: many exchanges at once, each in a stream of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

from composectl.balance.backend import Backend
from composectl.balance.phase import Phase
from composectl.proxy.backend_stream import ResponseReceiver
from composectl.proxy.errors import BadMessage, ErrorReason, log_internal_error
from composectl.proxy.head import Fields, RequestHead, ResponseHead
from composectl.proxy.http2 import frames
from composectl.proxy.http2.backend_stream import Http2BackendStream, StreamOwner
from composectl.proxy.http2.compression import MAX_FIELDS_SIZE, literal, literals
from composectl.proxy.http2.connection import CONNECTION_WINDOW
from composectl.proxy.http2.flow import FIRST_WINDOW, STREAM_WINDOW, Flow
from composectl.proxy.http2.frames import Http2Error, StreamError
from composectl.proxy.http2.request import StreamRequestHead, http2_fields
from composectl.proxy.http2.response import check_trailers, field_of, read_head
from composectl.proxy.http2.stream_transport import StreamTransport
from composectl.proxy.sockets import give_up_soon

_MAX_INTERIM: Final = 32
# More than any server allows at once; the connection pool opens another connection beyond it.
_MAX_STREAMS: Final = 100
_NO_TRAILERS: Final[Fields] = []


class Http2BackendConnection(StreamOwner):
    """`on_free`: called when it can take another stream; `on_lost`: called when it cannot any more."""

    __slots__ = (
        "_address_lost",
        "_backend_line",
        "_finished",
        "_next_stream_id",
        "_number",
        "_on_free",
        "_on_lost",
        "_streams",
        "_touched",
        "backend",
        "idle_since",
        "is_closing",
        "ready",
        "reserved",
    )

    def __init__(
        self,
        backend: Backend,
        backend_line: bytes,
        number_line: bytes,
        ready: asyncio.Future[None],
        on_free: Callable[[Http2BackendConnection], None],
        on_lost: Callable[[Http2BackendConnection], None],
    ) -> None:
        # Many clients share it: one that does not take its response must not stop the others.
        super().__init__(FIRST_WINDOW, streams_share_window=False)
        self.backend = backend
        self.ready = ready
        self._backend_line = backend_line
        self._number = literal(*field_of(number_line)) if number_line else b""
        self._on_free = on_free
        self._on_lost = on_lost
        self._streams: dict[int, Http2BackendStream] = {}
        self._touched: dict[Http2BackendStream, None] = {}
        self._next_stream_id = 1
        self._finished = 0
        self._address_lost = False
        self.is_closing = False
        self.reserved = 0  # streams that were taken and are not yet open
        self.idle_since = 0

    @property
    def is_usable(self) -> bool:
        return not self.is_closing and not self.transport.is_closing()

    @property
    def has_room(self) -> bool:
        """Whether another stream may be opened."""
        most = min(self.peer_max_streams, _MAX_STREAMS)
        return self.is_usable and len(self._streams) + self.reserved < most

    @property
    def is_idle(self) -> bool:
        return not self._streams and not self.reserved

    # The streams' side

    def open_stream(self, stream: Http2BackendStream) -> Flow:
        stream_id = self._next_stream_id
        self._next_stream_id += 2
        self.reserved -= 1
        self._streams[stream_id] = stream
        if stream_id > frames.MAX_STREAM_ID // 2:
            self.is_closing = True
        return self.new_flow(stream_id)

    def request_block(self, head: RequestHead) -> bytes:
        if not isinstance(head, StreamRequestHead):
            return self.encoder.encode(http2_fields(head)) + self._number
        request = head.request
        base = request.base
        block = self.encoder.remembered.get(base)
        if block is None:
            block = self.encoder.encode(base.http2_fields(), base)
        if request.extras:
            block += literals(request.extras)
        if request.needs_id:
            block += literal(b"x-request-id", head.id_line[14:-2])
        return block + self._number if self._number else block

    def cancel_stream(self, stream: Http2BackendStream) -> None:
        stream.exchange = None
        if stream.flow is None:
            self.reserved -= 1
        elif self._streams.pop(stream.flow.stream_id, None) is not None:
            self.write(frames.rst_stream(stream.flow.stream_id, frames.CANCEL))
            self.forget_flow(stream.flow)
        self._freed()

    def fail_stream(self, stream: Http2BackendStream, reason: ErrorReason, code: int | None) -> None:
        flow = stream.flow
        if flow is not None and self._streams.pop(flow.stream_id, None) is not None:
            if code is not None:
                self.write(frames.rst_stream(flow.stream_id, code))
            self.forget_flow(flow)
        stream.failed(reason, reused=self._finished > 0)
        self._freed()

    def refuse_websocket(self, stream: Http2BackendStream) -> None:
        self.reserved -= 1
        stream.failed(ErrorReason.UPGRADE_REFUSED, reused=False)
        self._freed()

    def widen(self, exchange: ResponseReceiver, flow: Flow) -> None:
        if flow.window < STREAM_WINDOW and flow.unacknowledged + flow.held > flow.window // 2 and exchange.widens():
            self.write(frames.window_update(flow.stream_id, flow.widen()))

    def retire(self) -> None:
        """Open no further stream, and close behind the last one."""
        self.is_closing = True
        self._freed()

    def sweep(self) -> None:
        self.second_passed()
        if self.backend.phase is Phase.GONE and not self._address_lost:
            self._address_lost = True
            give_up_soon(self.transport)

    # The frames' side

    def settings_came(self) -> None:
        if not self.ready.done():
            self.ready.set_result(None)

    def headers_came(self, stream_id: int, block: bytes, end_stream: bool) -> None:
        stream = self._streams.get(stream_id)
        if stream is None:
            self._check_closed(stream_id)
            self._decoder.decode(block)  # the dynamic table must know it
            return
        exchange = stream.exchange
        if exchange is None:
            self._decoder.decode(block)
            raise StreamError(frames.PROTOCOL_ERROR, "HEADERS in a tunnel")
        exchange.response_started = True
        stream.idle_seconds = 0
        try:
            if stream.status:
                self._trailers_came(stream, block, end_stream)
            else:
                self._head_came(stream, exchange, block, end_stream)
        except BadMessage as bad:
            self.fail_stream(stream, bad.reason, frames.PROTOCOL_ERROR)
            return
        self._touched[stream] = None

    def data_came(self, stream_id: int, data: bytes, end_stream: bool) -> None:
        stream = self._streams[stream_id]
        if stream.tunnel is not None:
            stream.tunnel.data_came(data, end_stream)
            return
        if not stream.status or stream.trailers is not None:
            raise StreamError(frames.PROTOCOL_ERROR, "DATA outside a body")
        stream.idle_seconds = 0
        stream.received += len(data)
        length = stream.length
        if length is not None and (stream.received > length or (end_stream and stream.received != length)):
            raise StreamError(frames.PROTOCOL_ERROR, "the body is not as long as Content-Length says")
        if data:
            stream.body.append(data)
        if end_stream:
            stream.trailers = _NO_TRAILERS
        self._touched[stream] = None

    def reset_came(self, stream_id: int, code: int) -> None:
        stream = self._streams[stream_id]
        if code == frames.REFUSED_STREAM and not stream.status:
            self._refuse(stream)
        elif stream.trailers is None:
            self._respond(stream)
            self.fail_stream(stream, ErrorReason.BACKEND_HUNG_UP, None)

    def goaway_came(self, last_stream_id: int, code: int) -> None:
        self.is_closing = True
        for stream_id, stream in list(self._streams.items()):
            if stream_id > last_stream_id:
                self._refuse(stream)
        self._freed()

    def flow_of(self, stream_id: int) -> Flow | None:
        stream = self._streams.get(stream_id)
        if stream is not None:
            return stream.flow
        self._check_closed(stream_id)
        return None

    def flows(self) -> list[Flow]:
        return [stream.flow for stream in self._streams.values() if stream.flow is not None]

    def unblocked(self, stream_id: int) -> None:
        stream = self._streams.get(stream_id)
        if stream is not None and (stream.exchange is None or not self.write_paused):
            stream.resume_upload()

    def stream_failed(self, stream_id: int, code: int) -> None:
        stream = self._streams.get(stream_id)
        if stream is not None:
            self.fail_stream(stream, ErrorReason.BAD_RESPONSE, code)

    def read_ended(self) -> None:
        """Hand over what has come to the exchanges."""
        touched, self._touched = self._touched, {}
        for stream in touched:
            self._respond(stream)

    def failed(self, error: Http2Error) -> None:
        if not self.ready.done():
            self.ready.set_exception(error)
        self._fail_all(ErrorReason.BAD_RESPONSE)
        self.end(error.code, 0, str(error))

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        offer = frames.settings(
            (frames.SETTINGS_ENABLE_PUSH, 0),
            (frames.SETTINGS_INITIAL_WINDOW_SIZE, FIRST_WINDOW),
            (frames.SETTINGS_MAX_HEADER_LIST_SIZE, MAX_FIELDS_SIZE),
        )
        self.transport.write(
            frames.PREFACE + offer + frames.window_update(0, CONNECTION_WINDOW - frames.DEFAULT_WINDOW)
        )

    def pause_writing(self) -> None:
        self.write_paused = True
        for stream in list(self._streams.values()):
            stream.pause_upload()

    def resume_writing(self) -> None:
        self.write_paused = False
        for stream in list(self._streams.values()):
            if stream.flow is not None and not stream.flow.pending:
                stream.resume_upload()

    def eof_received(self) -> None:
        """The loop closes the connection."""

    def connection_lost(self, error: Exception | None) -> None:
        self.is_closing = True
        if not self.ready.done():
            self.ready.set_exception(error or ConnectionResetError())
        self._on_lost(self)
        self._fail_all(ErrorReason.BACKEND_HUNG_UP)

    # Private

    def _head_came(
        self, stream: Http2BackendStream, exchange: ResponseReceiver, block: bytes, end_stream: bool
    ) -> None:
        head = self._decoder.remembered.get(block)
        is_head_request = exchange.request.method == b"HEAD"
        if not isinstance(head, ResponseHead) or is_head_request:
            head = self._read_head(stream, exchange, block, end_stream)
            if head is None:
                return
        stream.status = head.status
        if exchange.request.upgrade and 200 <= head.status < 300:
            self._open_tunnel(stream, exchange, head, end_stream)
            return
        stream.head = head
        stream.in_body = True
        if not is_head_request and head.status != 304:
            stream.length = int(head.length) if head.length is not None else None
        if end_stream:
            if stream.length:
                raise BadMessage(502, ErrorReason.BAD_RESPONSE)
            stream.trailers = _NO_TRAILERS

    def _open_tunnel(
        self, stream: Http2BackendStream, exchange: ResponseReceiver, head: ResponseHead, end_stream: bool
    ) -> None:
        """RFC 8441, section 5: DATA of both sides are the tunnel's from here on."""
        flow = stream.flow
        assert flow is not None
        if exchange.widens():
            self.write(frames.window_update(flow.stream_id, flow.widen()))
        stream.exchange = None
        stream.tunnel = StreamTransport(self, flow, partial(self._tunnel_ended, stream))
        exchange.respond_interim(head)
        exchange.upgraded(stream.tunnel, b"")
        if end_stream:
            stream.tunnel.data_came(b"", end_stream=True)

    def _tunnel_ended(self, stream: Http2BackendStream, code: int | None) -> None:
        flow = stream.flow
        if flow is not None and self._streams.pop(flow.stream_id, None) is not None:
            if code is not None:
                self.write(frames.rst_stream(flow.stream_id, code))
            self.forget_flow(flow)
        self._freed()

    def _read_head(
        self, stream: Http2BackendStream, exchange: ResponseReceiver, block: bytes, end_stream: bool
    ) -> ResponseHead | None:
        """A final head, or None after an interim one."""
        to_head = exchange.request.method == b"HEAD"
        fields = self._decoder.decode(block)
        head = read_head(fields, self._backend_line, to_head=to_head, end_stream=end_stream)
        if head.status < 200:
            stream.interim_count += 1
            if stream.interim_count > _MAX_INTERIM:
                raise BadMessage(502, ErrorReason.TOO_MANY_INTERIM_RESPONSES)
            exchange.respond_interim(head)
            return None
        if not to_head:
            self._decoder.remember(block, head)
        return head

    def _trailers_came(self, stream: Http2BackendStream, block: bytes, end_stream: bool) -> None:
        if not end_stream or stream.trailers is not None:
            raise BadMessage(502, ErrorReason.BAD_RESPONSE)
        known = self._decoder.remembered.get(block)
        if isinstance(known, list):
            stream.trailers = known
        else:
            trailers = self._decoder.decode(block)
            check_trailers(trailers)
            stream.trailers = trailers
            self._decoder.remember(block, trailers)
        if stream.length is not None and stream.received != stream.length:
            raise BadMessage(502, ErrorReason.BAD_RESPONSE)

    def _respond(self, stream: Http2BackendStream) -> None:
        """Hand over what has come in a stream."""
        exchange, flow = stream.exchange, stream.flow
        if exchange is None or flow is None:
            return
        head, body, trailers = stream.head, stream.body, stream.trailers
        stream.head, stream.body = None, []
        try:
            if head is not None or body or trailers is not None:
                exchange.respond(head, body, trailers)
        except Exception as error:
            log_internal_error(error)
            self.fail_stream(stream, ErrorReason.INTERNAL_ERROR, frames.CANCEL)
            return
        if trailers is not None:
            self._finish(stream, exchange, flow)
        elif not stream.paused:
            self.widen(exchange, flow)
            self.taken(flow, ended=False)

    def _finish(self, stream: Http2BackendStream, exchange: ResponseReceiver, flow: Flow) -> None:
        stream.exchange = None
        if self._streams.pop(flow.stream_id, None) is not None:
            if not stream.end_sent or flow.pending:
                self.write(frames.rst_stream(flow.stream_id, frames.NO_ERROR))
            self.forget_flow(flow)
        self._finished += 1
        self._freed()
        exchange.finished(stream.status)

    def _refuse(self, stream: Http2BackendStream) -> None:
        """The backend has not begun with the request, and says so: it may be sent again (RFC 9113, section 8.7)."""
        flow, exchange = stream.flow, stream.exchange
        stream.exchange = None
        if flow is not None and self._streams.pop(flow.stream_id, None) is not None:
            self.forget_flow(flow)
        if exchange is not None:
            exchange.refused()

    def _freed(self) -> None:
        """A stream has ended."""
        if self.is_closing:
            if self.is_idle and not self.transport.is_closing():
                self.end(frames.NO_ERROR, 0)
        else:
            self._on_free(self)

    def _fail_all(self, reason: ErrorReason) -> None:
        streams, self._streams = list(self._streams.values()), {}
        for stream in streams:
            self._respond(stream)
            stream.failed(reason, reused=self._finished > 0)

    def _check_closed(self, stream_id: int) -> None:
        if not stream_id & 1 or stream_id >= self._next_stream_id:
            raise Http2Error(frames.PROTOCOL_ERROR, "the stream has never been open")
