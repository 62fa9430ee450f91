"""One stream of a client: one request and its response."""

from __future__ import annotations

import asyncio

from composectl.balance.backend import Backend
from composectl.proxy.access_log_format import AccessRecord
from composectl.proxy.client_stream import ClientStream
from composectl.proxy.errors import ErrorReason, log_internal_error
from composectl.proxy.exchange import Exchange
from composectl.proxy.head import Fields, ResponseHead
from composectl.proxy.http2 import frames
from composectl.proxy.http2.connection import Http2Connection
from composectl.proxy.http2.flow import Flow
from composectl.proxy.http2.frames import StreamError
from composectl.proxy.http2.request import StreamRequest
from composectl.proxy.http2.response import lowered
from composectl.proxy.http2.stream_transport import StreamTransport
from composectl.proxy.http2.websocket import refused_head, switched_head
from composectl.proxy.limits import check_body
from composectl.proxy.trailers import forwardable_trailers
from composectl.proxy.tunnel import Tunnel


class StreamOwner(Http2Connection):
    """The connection, as its streams see it."""

    __slots__ = ("address",)

    address: str

    def response_block(self, head: ResponseHead, exchange: Exchange | None) -> bytes:
        """The header block of a final response."""
        raise NotImplementedError

    def send_error(
        self, stream: Http2ClientStream, status: int, reason: str, id_line: bytes, more: Fields | None = None
    ) -> int:
        """Send the proxy's own response, with `more` fields; returns the bytes of its body."""
        raise NotImplementedError

    def stream_finished(self, stream: Http2ClientStream) -> None:
        """The response was handed over whole."""
        raise NotImplementedError

    def reset(self, stream: Http2ClientStream, code: int) -> None:
        """End the stream in the midst of its response."""
        raise NotImplementedError

    @property
    def takes_responses(self) -> bool:
        """Whether the client can take more of any response now."""
        raise NotImplementedError

    def widen(self, stream: Http2ClientStream) -> bool:
        """Whether the backend may send more of this response before the client takes it."""
        raise NotImplementedError

    def log_access(self, record: AccessRecord | None, status: int, error: str) -> None:
        """Log how a request has ended, where there is a log: see `AccessRecord.end`."""
        raise NotImplementedError


class Http2ClientStream(ClientStream):
    """One request of a client and its response.

    `exchange`: None before it is there, and once it has become a tunnel. `tunnel`: of a request for a WebSocket;
    `tunnel_to`: its backend, and `relay`: what relays its bytes, once it is open. `is_wide`: see `StreamOwner.widen`.
    """

    __slots__ = (
        "_connection",
        "exchange",
        "flow",
        "is_wide",
        "received",
        "relay",
        "request",
        "response_ended",
        "tunnel",
        "tunnel_to",
    )

    def __init__(self, connection: StreamOwner, flow: Flow, request: StreamRequest | None) -> None:
        self._connection = connection
        self.flow = flow
        self.request = request
        self.received = 0  # of the body
        self.is_wide = False
        self.exchange: Exchange | None = None
        self.tunnel: StreamTransport | None = None
        self.tunnel_to: Backend | None = None
        self.relay: Tunnel | None = None
        self.address = connection.address
        self.responding = False
        self.response_ended = False
        self.upload_paused = False
        self.aborted = False

    # The exchange's side

    def send(self, head: ResponseHead | None, body: list[bytes], trailers: Fields | None) -> None:
        connection, flow = self._connection, self.flow
        stream_id = flow.stream_id
        end: Fields | None = None
        if trailers is not None:
            self.response_ended = True
            end = forwardable_trailers(trailers) if trailers else trailers
        if head is not None:
            self.responding = True
            if self.tunnel is not None and 200 <= head.status < 300:
                head = refused_head(head)
            is_all = end is not None and not end and not body
            connection.write(
                frames.headers(stream_id, connection.response_block(head, self.exchange), end_stream=is_all)
            )
            if is_all:
                return
        whole = connection.send_data(flow, body, end) if body or end is not None else True
        if not (whole and connection.takes_responses) and self.exchange is not None:
            self.exchange.pause_response()

    def takes_response(self) -> bool:
        return self._connection.takes_responses

    def widens(self) -> bool:
        return self._connection.widen(self)

    def send_interim(self, head: ResponseHead) -> None:
        if head.status == 101 or head.status >= 200:
            self.responding = True
            block = self._connection.response_block(switched_head(head), self.exchange)
            self._connection.write(frames.headers(self.flow.stream_id, block, end_stream=False))
            return
        block = self._connection.encoder.encode([(b":status", b"%d" % head.status), *lowered(head.fields)])
        self._connection.write(frames.headers(self.flow.stream_id, block, end_stream=False))

    def send_error(self, status: int, reason: str, fields: Fields) -> int:
        exchange = self.exchange
        id_line = exchange.request.id_line if exchange is not None else b""
        return self._connection.send_error(self, status, reason, id_line, fields)

    def finished(self) -> None:
        self._connection.stream_finished(self)

    def abort_response(self) -> None:
        self._connection.reset(self, frames.INTERNAL_ERROR)

    def fail_internally(self, error: Exception) -> None:
        log_internal_error(error)
        exchange = self.exchange
        record = exchange.cancel() if exchange is not None else None
        self.log_access(record, 0 if self.responding else 500, ErrorReason.INTERNAL_ERROR)
        if self.responding:
            self._connection.reset(self, frames.INTERNAL_ERROR)
        else:
            self.send_error(500, ErrorReason.INTERNAL_ERROR, [])
            self._connection.stream_finished(self)

    def pause_upload(self) -> None:
        self.upload_paused = True

    def resume_upload(self) -> None:
        self.upload_paused = False
        if self.tunnel is not None:
            return
        exchange = self.exchange
        self._connection.taken(self.flow, ended=exchange is None or exchange.uploaded)

    def detach(self, backend: Backend) -> tuple[asyncio.Transport, bytes]:
        assert self.tunnel is not None
        self.exchange = None
        self.tunnel_to = backend
        return self.tunnel, b""

    def tunnel_opened(self, tunnel: Tunnel) -> None:
        self.relay = tunnel
        if not self._connection.takes_responses:
            self.pause_response()

    def log_access(self, record: AccessRecord | None, status: int, error: str) -> None:
        self._connection.log_access(record, status, error)

    # The connection's side

    def count_body(self, size: int, trailers: int = 0, *, is_whole: bool) -> None:
        """So many more bytes of the body have come, and of trailers. Raises StreamError and BadMessage."""
        self.received += size
        request = self.request
        if request is None:
            return
        length, limits = request.length, request.upstreams.limits
        if length is not None and (self.received > length or (is_whole and self.received != length)):
            raise StreamError(frames.PROTOCOL_ERROR, "the body is not as long as Content-Length says")
        if limits is not None:
            check_body(self.received + trailers, limits)

    @property
    def may_end_in_order(self) -> bool:
        """A backend that is told to stop can end its response so that the client sees it whole."""
        return self.tunnel_to is not None or (self.exchange is not None and self.exchange.may_end_in_order)

    def is_at(self, backend: Backend) -> bool:
        """Whether this backend is to answer it."""
        return self.tunnel_to is backend or (self.exchange is not None and self.exchange.is_at(backend))

    def client_left(self) -> None:
        """The client does not want the rest."""
        exchange, self.exchange = self.exchange, None  # which knows the stream: no cycle is left
        if exchange is not None:
            if not self.response_ended:
                exchange.client_closed()
        elif self.tunnel is not None:
            self.tunnel.lost()

    def pause_response(self) -> None:
        if self.exchange is not None:
            self.exchange.pause_response()
        elif self.tunnel is not None:
            self.tunnel.pause_writing()

    def resume_response(self) -> None:
        if self.exchange is not None:
            self.exchange.resume_response()
        elif self.tunnel is not None:
            self.tunnel.window_opened()
