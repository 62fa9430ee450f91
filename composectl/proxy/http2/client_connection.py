"""The connection of a client that speaks HTTP/2: each of its streams is an exchange of its own."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

from composectl.balance.backend import Backend
from composectl.proxy.access_log_format import AccessRecord
from composectl.proxy.errors import BadMessage
from composectl.proxy.exchange import Exchange
from composectl.proxy.guarded_exchange import GuardedExchange
from composectl.proxy.head import Fields, ResponseHead
from composectl.proxy.http2 import frames
from composectl.proxy.http2.client_stream import Http2ClientStream, StreamOwner
from composectl.proxy.http2.compression import MAX_FIELDS_SIZE
from composectl.proxy.http2.connection import CLOSING_PING, CONNECTION_WINDOW
from composectl.proxy.http2.flow import STREAM_WINDOW, WIDE_STREAMS, Flow
from composectl.proxy.http2.frames import Http2Error, StreamError
from composectl.proxy.http2.request import StreamRequest, StreamRequestHead, check_field
from composectl.proxy.http2.request_reader import RequestReader
from composectl.proxy.http2.response import encode_response, error_response
from composectl.proxy.http2.stream_transport import StreamTransport
from composectl.proxy.http2.websocket import WebSocketHead
from composectl.proxy.limits import IDLE_ENOUGH
from composectl.proxy.listener_context import ListenerContext
from composectl.proxy.peer import Peer
from composectl.proxy.request_id import request_id_line
from composectl.proxy.router import Router
from composectl.proxy.trailers import check_request_trailers, forwardable_trailers
from composectl.proxy.upstreams import Upstreams

MAX_STREAMS: Final = 256
_IDLE_SECONDS: Final = 75
_GOAWAY_SECONDS: Final = 1
_STALLED_SECONDS: Final = 300
_MAX_HELD_BACK: Final = 1024 * 1024  # of all responses, by the client's windows
# Streams that may be reset in a second, beyond as many as a client may have open
_MAX_RESETS: Final = 1_000


class Http2ClientConnection(StreamOwner):
    """Takes the streams of a client, at most 256 at once."""

    __slots__ = (
        "_context",
        "_draining",
        "_idle_since",
        "_is_full",
        "_last_stream_id",
        "_reader",
        "_resets",
        "_router",
        "_streams",
        "_touched",
        "_upstreams",
        "_wide_streams",
        "aborted",
        "closing",
    )

    def __init__(self, context: ListenerContext, upstreams: Upstreams, router: Router | None = None) -> None:
        super().__init__(STREAM_WINDOW, streams_share_window=True)
        self._context = context
        self._upstreams = upstreams
        self._router = router
        self._streams: dict[int, Http2ClientStream] = {}
        self._touched: list[Http2ClientStream] = []
        self._last_stream_id = 0
        self._resets = 0
        self._idle_since = context.tick
        self._draining = self._is_full = False
        self._wide_streams = 0
        self.closing = False
        self.aborted = False
        self.address = "unknown"

    # The streams' side

    def response_block(self, head: ResponseHead, exchange: Exchange | None) -> bytes:
        shown_id = exchange is not None and self._context.make_id is not None
        return encode_response(self.encoder, head, exchange.request.id_line if exchange and shown_id else b"")

    def send_error(
        self, stream: Http2ClientStream, status: int, reason: str, id_line: bytes, more: Fields | None = None
    ) -> int:
        request = stream.request
        is_grpc = request is not None and request.is_grpc
        to_head = request is not None and request.head.method == b"HEAD"
        shown_id = b"" if self._context.make_id is None else id_line
        fields, body = error_response(status, reason, shown_id, more or [], is_grpc=is_grpc, to_head=to_head)
        stream.response_ended = True
        self.write(frames.headers(stream.flow.stream_id, self.encoder.encode(fields), end_stream=not body))
        if body:
            self.send_data(stream.flow, [body], [])
        return len(body)

    def stream_finished(self, stream: Http2ClientStream) -> None:
        if stream.flow.pending:
            return  # the last of it waits for the client's window
        self._close_stream(stream)
        exchange, stream.exchange = stream.exchange, None  # which knows the stream: no cycle is left
        still_open = stream.tunnel is not None and not stream.tunnel.peer_ended
        if still_open or (exchange is not None and not exchange.uploaded):
            # RFC 9113, section 8.1: the rest of the request is not wanted.
            self.write(frames.rst_stream(stream.flow.stream_id, frames.NO_ERROR))

    def reset(self, stream: Http2ClientStream, code: int) -> None:
        if self._streams.get(stream.flow.stream_id) is stream:
            self._close_stream(stream)
            stream.exchange = None
            self.write(frames.rst_stream(stream.flow.stream_id, code))

    @property
    def takes_responses(self) -> bool:
        return not (self.write_paused or self._is_full)

    def widen(self, stream: Http2ClientStream) -> bool:
        if not stream.is_wide and self._wide_streams < WIDE_STREAMS:
            stream.is_wide = True
            self._wide_streams += 1
        return stream.is_wide

    def log_access(self, record: AccessRecord | None, status: int, error: str) -> None:
        self._context.log_access(record, status, error)

    # The server's side

    def close(self) -> None:
        """Tell the client to open no stream; once it knows, tell it which was the last (RFC 9113, section 6.8)."""
        if not self._draining:
            self._draining = True
            ping = frames.frame(frames.PING, 0, 0, CLOSING_PING)
            self.write(frames.goaway(frames.MAX_STREAM_ID, frames.NO_ERROR) + ping)
            asyncio.get_running_loop().call_later(_GOAWAY_SECONDS, self.ping_answered)

    def close_after_response(self) -> None:
        self.close()

    def abort(self) -> None:
        self.aborted = True
        for stream in self._streams.values():
            stream.aborted = True
        self.transport.abort()

    def cut(self, backend: Backend, *, spare_streams: bool = False) -> None:
        for stream in list(self._streams.values()):
            if stream.is_at(backend) and not (spare_streams and stream.may_end_in_order):
                stream.aborted = True
                self._cancel(stream)
                self.write(frames.rst_stream(stream.flow.stream_id, frames.CANCEL))

    def idleness(self, tick: int) -> int:
        return 0 if self._streams else max(0, tick - self._idle_since - IDLE_ENOUGH + 1)

    def sweep(self, tick: int) -> None:
        self.second_passed()
        self._resets = 0
        for stream in list(self._streams.values()):
            if stream.flow.stalled > _STALLED_SECONDS and stream.tunnel_to is None:
                self._cancel(stream)
                self.write(frames.rst_stream(stream.flow.stream_id, frames.CANCEL))
            elif stream.exchange is not None:
                stream.exchange.sweep()
            elif stream.relay is not None:
                stream.relay.sweep()
        if self.stalls.seconds > _STALLED_SECONDS:
            self._end_stalled()
        if not self._streams and tick - self._idle_since > _IDLE_SECONDS:
            self.transport.abort() if self.transport.is_closing() else self.close()

    # The frames' side

    def headers_came(self, stream_id: int, block: bytes, end_stream: bool) -> None:
        stream = self._streams.get(stream_id)
        if stream is not None:
            try:
                self._trailers_came(stream, block, end_stream)
            except BadMessage as bad:
                self._reject(stream, bad)
            return
        if not stream_id & 1:
            raise Http2Error(frames.PROTOCOL_ERROR, "a stream of a client has an odd number")
        if stream_id <= self._last_stream_id:
            raise Http2Error(frames.STREAM_CLOSED, "the stream is closed")
        if self.closing:
            self._decoder.decode(block)  # the dynamic table must know it
            return
        self._last_stream_id = stream_id
        if len(self._streams) >= MAX_STREAMS:
            self._decoder.decode(block)
            self.write(frames.rst_stream(stream_id, frames.REFUSED_STREAM))
            return
        flow = self.new_flow(stream_id)
        stream = self._streams[stream_id] = Http2ClientStream(self, flow, None)
        try:
            request = self._read_request(block, end_stream)
            stream.request = request
            self._open_exchange(stream, request, end_stream)
        except BadMessage as bad:
            self._reject(stream, bad)

    def data_came(self, stream_id: int, data: bytes, end_stream: bool) -> None:
        stream = self._streams[stream_id]
        if stream.tunnel is not None:
            stream.tunnel.data_came(data, end_stream)
            return
        exchange = stream.exchange
        if exchange is None or exchange.uploaded:
            raise StreamError(frames.STREAM_CLOSED, "DATA behind the end")
        try:
            stream.count_body(len(data), is_whole=end_stream)
        except BadMessage as bad:
            self._reject(stream, bad)
            return
        if data:
            exchange.add_body(data)
        if end_stream:
            exchange.end_body([])
        self._touched.append(stream)

    def reset_came(self, stream_id: int, code: int) -> None:
        self._count_reset()
        self._cancel(self._streams[stream_id])

    def goaway_came(self, last_stream_id: int, code: int) -> None:
        """A server opens no streams: there is nothing to do but to end with the last of the client's."""

    def ping_answered(self) -> None:
        if self._draining and not self.closing:
            self._stop_taking()

    def flow_of(self, stream_id: int) -> Flow | None:
        stream = self._streams.get(stream_id)
        if stream is not None:
            return stream.flow
        if stream_id > self._last_stream_id or not stream_id & 1:
            raise Http2Error(frames.PROTOCOL_ERROR, "the stream has never been open")
        return None

    def flows(self) -> list[Flow]:
        return [stream.flow for stream in self._streams.values()]

    def unblocked(self, stream_id: int) -> None:
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        if stream.response_ended:
            self.stream_finished(stream)
        elif stream.exchange is None or self.takes_responses:
            stream.resume_response()

    def stream_failed(self, stream_id: int, code: int) -> None:
        self._count_reset()
        stream = self._streams.get(stream_id)
        if stream is not None:
            self._cancel(stream)
        self.write(frames.rst_stream(stream_id, code))

    def held_back_changed(self) -> None:
        was_full, self._is_full = self._is_full, self.held_back > _MAX_HELD_BACK
        if self._is_full and not was_full:
            self._pause_responses()
        elif was_full and not self._is_full:
            self._resume_responses()

    def not_read(self) -> None:
        super().not_read()
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def read_ended(self) -> None:
        """Start the exchanges that have come, and send on what has come of their bodies."""
        touched, self._touched = self._touched, []
        for stream in touched:
            exchange = stream.exchange
            if exchange is None or self._streams.get(stream.flow.stream_id) is not stream:
                continue
            if exchange.started:
                exchange.flush()
            else:
                exchange.start()
            if not stream.upload_paused and stream.tunnel is None:
                self.taken(stream.flow, ended=exchange.uploaded)

    def failed(self, error: Http2Error) -> None:
        self.end(error.code, self._last_stream_id, str(error))

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        context = self._context
        self.address = context.peer_of(transport)[0]
        peer = Peer(context, self.address, "https" if transport.get_extra_info("sslcontext") else "http")
        self._reader = RequestReader(
            peer, self._upstreams, self._router, context.server_name_of(transport), make_ids=context.make_id is not None
        )
        context.opened(self)
        every = [self._upstreams] if self._router is None else self._router.upstreams
        offers_websockets = any(one.http2.connections.offer_websockets for one in every)
        offer = frames.settings(
            (frames.SETTINGS_MAX_CONCURRENT_STREAMS, MAX_STREAMS),
            (frames.SETTINGS_MAX_HEADER_LIST_SIZE, MAX_FIELDS_SIZE),
            (frames.SETTINGS_ENABLE_CONNECT_PROTOCOL, int(offers_websockets)),
        )
        self.write(offer + frames.window_update(0, CONNECTION_WINDOW - frames.DEFAULT_WINDOW))

    def pause_writing(self) -> None:
        self.write_paused = True
        self._pause_responses()

    def resume_writing(self) -> None:
        self.write_paused = False
        if not self.transport.is_closing():
            self.transport.resume_reading()
        self._resume_responses()

    def eof_received(self) -> None:
        for stream in list(self._streams.values()):
            self._cancel(stream)

    def connection_lost(self, error: Exception | None) -> None:
        self._context.closed(self)
        streams, self._streams = list(self._streams.values()), {}
        for stream in streams:
            stream.client_left()

    # Private

    def _pause_responses(self) -> None:
        for stream in self._streams.values():
            stream.pause_response()

    def _resume_responses(self) -> None:
        for stream in list(self._streams.values()):
            if self.takes_responses and not stream.flow.pending:
                stream.resume_response()

    def _count_reset(self) -> None:
        """By the client, or for a fault of it: see CVE-2023-44487 and CVE-2025-8671."""
        self._resets += 1
        if self._resets > _MAX_RESETS + MAX_STREAMS:
            raise Http2Error(frames.ENHANCE_YOUR_CALM, "too many streams were reset")

    def _end_stalled(self) -> None:
        """The client takes nothing of anything."""
        if self.write_paused:
            self.transport.abort()
        else:
            self.end(frames.ENHANCE_YOUR_CALM, self._last_stream_id, "the window stays closed")

    def _read_request(self, block: bytes, end_stream: bool) -> StreamRequest:
        known = self._decoder.remembered.get(block)
        if isinstance(known, StreamRequest) and end_stream == (not known.head.chunked and not known.length):
            return known
        request = self._reader.read(self._decoder.decode(block), end_stream=end_stream)
        if not request.head.upgrade:
            self._decoder.remember(block, request)
        return request

    def _open_exchange(self, stream: Http2ClientStream, request: StreamRequest, end_stream: bool) -> None:
        make_id = self._context.make_id
        id_line = request_id_line(make_id()) if request.needs_id and make_id is not None else b""
        head = WebSocketHead(request, id_line) if request.head.upgrade else StreamRequestHead(request, id_line)
        upstream = request.upstreams.grpc if request.is_grpc else request.upstreams.http2
        session_fields = upstream.session_fields
        if session_fields is not None and not head.pin:
            head.session = session_fields.read(head.fields, is_grpc=request.is_grpc)
        log, record = self._context.log, None
        if log is not None:
            service, port, headers = upstream.pool.service, upstream.connections.port, log.logged_headers(head.fields)
            record = AccessRecord(service, port, self.address, head.method, head.target, "2.0", head.id_line, headers)
        guards = upstream.guards
        if guards is None:
            exchange = Exchange(stream, upstream, head, record)
        else:
            client, authorization = request.client, request.authorization
            exchange = GuardedExchange(stream, upstream, head, record, guards, client, authorization)
        stream.exchange = exchange
        if request.head.upgrade:
            stream.tunnel = StreamTransport(self, stream.flow, partial(self._tunnel_ended, stream))
        if end_stream or request.head.upgrade:
            exchange.end_body([])
        self._touched.append(stream)

    def _tunnel_ended(self, stream: Http2ClientStream, code: int | None) -> None:
        if code is not None:
            self.write(frames.rst_stream(stream.flow.stream_id, code))
        self._close_stream(stream)

    def _trailers_came(self, stream: Http2ClientStream, block: bytes, end_stream: bool) -> None:
        fields = self._decoder.decode(block)
        exchange = stream.exchange
        if exchange is None or exchange.uploaded:
            raise StreamError(frames.STREAM_CLOSED, "HEADERS behind the end")
        if not end_stream or any(name.startswith(b":") for name, _ in fields):
            raise StreamError(frames.PROTOCOL_ERROR, "bad trailers")
        for name, value in fields:
            check_field(name, value)
        stream.count_body(0, check_request_trailers(fields), is_whole=True)
        exchange.end_body(forwardable_trailers(fields))
        self._touched.append(stream)

    def _reject(self, stream: Http2ClientStream, bad: BadMessage) -> None:
        """Answer with the proxy's own response; the rest of the request is not wanted."""
        upstreams = self._upstreams if stream.request is None else stream.request.upstreams
        upstreams.http2.pool.leases.bad_requests[bad.reason] += 1
        exchange = stream.exchange
        if exchange is not None:
            self.log_access(exchange.cancel(), bad.status, bad.reason)
        if stream.responding:
            self.reset(stream, frames.INTERNAL_ERROR)
            return
        self.send_error(stream, bad.status, bad.reason, b"")
        self._close_stream(stream)
        self.write(frames.rst_stream(stream.flow.stream_id, frames.NO_ERROR))

    def _cancel(self, stream: Http2ClientStream) -> None:
        """The client does not want the response."""
        self._close_stream(stream)
        stream.client_left()

    def _close_stream(self, stream: Http2ClientStream) -> None:
        if self._streams.pop(stream.flow.stream_id, None) is None:
            return
        self._wide_streams -= int(stream.is_wide)
        self.forget_flow(stream.flow)
        self._idle_since = self._context.tick
        if self.closing and not self._streams:
            self._flush()
            self.transport.close()

    def _stop_taking(self) -> None:
        self.closing = True
        self.write(frames.goaway(self._last_stream_id, frames.NO_ERROR))
        if not self._streams:
            self._flush()
            self.transport.close()
