"""One stream to a backend: it carries one exchange."""

from __future__ import annotations

from typing import Final

from composectl.proxy.backend_stream import BackendStream, ResponseReceiver
from composectl.proxy.errors import ErrorReason
from composectl.proxy.head import Fields, RequestHead, ResponseHead
from composectl.proxy.http2 import frames
from composectl.proxy.http2.connection import Http2Connection
from composectl.proxy.http2.flow import Flow
from composectl.proxy.http2.stream_transport import StreamTransport
from composectl.proxy.limits import Limits

_STALLED_SECONDS: Final = 75


class StreamOwner(Http2Connection):
    """The connection, as its streams see it."""

    __slots__ = ()

    @property
    def is_usable(self) -> bool:
        """Whether a stream may be opened that was taken before."""
        raise NotImplementedError

    def open_stream(self, stream: Http2BackendStream) -> Flow:
        """Give it a number."""
        raise NotImplementedError

    def request_block(self, head: RequestHead) -> bytes:
        """The header block of a request."""
        raise NotImplementedError

    def refuse_websocket(self, stream: Http2BackendStream) -> None:
        """The backend has not offered to take such a request."""
        raise NotImplementedError

    def widen(self, exchange: ResponseReceiver, flow: Flow) -> None:
        """Let the backend send more of a large response before the client takes it."""
        raise NotImplementedError

    def cancel_stream(self, stream: Http2BackendStream) -> None:
        """The response is not wanted any more."""
        raise NotImplementedError

    def fail_stream(self, stream: Http2BackendStream, reason: ErrorReason, code: int | None) -> None:
        """Fail its exchange; with a `code` the backend is told, too."""
        raise NotImplementedError


class Http2BackendStream(BackendStream):
    """Carries one exchange to a backend."""

    __slots__ = (
        "_connection",
        "body",
        "end_sent",
        "exchange",
        "flow",
        "head",
        "idle_seconds",
        "in_body",
        "interim_count",
        "length",
        "paused",
        "received",
        "status",
        "trailers",
        "tunnel",
    )

    def __init__(self, connection: StreamOwner) -> None:
        self._connection = connection
        self.exchange: ResponseReceiver | None = None
        self.flow: Flow | None = None  # none before the stream is open
        self.end_sent = False
        self.idle_seconds = 0
        self.interim_count = 0
        self.in_body = False
        self.paused = False
        self.status = 0
        self.length: int | None = None  # of the body, where it is known
        self.received = 0
        # What has come since the exchange was given the last part
        self.head: ResponseHead | None = None
        self.body: list[bytes] = []
        self.trailers: Fields | None = None
        self.tunnel: StreamTransport | None = None  # in place of the exchange, once it is open

    # The exchange's side

    def start(self, exchange: ResponseReceiver) -> None:
        self.exchange = exchange

    def send(self, head: RequestHead | None, body: list[bytes], trailers: Fields | None, *, once: bool) -> bool:
        connection = self._connection
        if head is not None:
            if not connection.is_usable:
                return False
            if head.upgrade and not connection.extended_connect:
                connection.refuse_websocket(self)
                return True
            self.flow = flow = connection.open_stream(self)
            ends = trailers is not None and not trailers and not body and not head.upgrade
            connection.write(frames.headers(flow.stream_id, connection.request_block(head), end_stream=ends))
            self.end_sent = ends
            if ends or head.upgrade or (not body and trailers is None):
                return True
        assert self.flow is not None
        self.end_sent = trailers is not None
        if not connection.send_data(self.flow, body, trailers) and self.exchange is not None:
            self.exchange.pause_upload()
        return True

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False
        if self.flow is not None:
            if self.exchange is not None:
                self._connection.widen(self.exchange, self.flow)
            self._connection.taken(self.flow, ended=False)

    def sweep(self, limits: Limits) -> None:
        exchange = self.exchange
        if exchange is None or self.paused or not exchange.awaits_backend:
            return
        self.idle_seconds += 1
        timeout = limits.idle_timeout if self.in_body else limits.response_timeout
        flow, stalls = self.flow, self._connection.stalls
        if flow is not None and (flow.pending or self._connection.write_paused):  # an upload that is not taken
            timeout = _STALLED_SECONDS if timeout is None else timeout
            self.idle_seconds = flow.stalled if flow.pending else stalls.seconds
        if timeout is not None and self.idle_seconds > timeout:
            self._connection.fail_stream(self, ErrorReason.BACKEND_TOO_SLOW, frames.CANCEL)

    def cancel(self) -> None:
        self._connection.cancel_stream(self)

    # The connection's side

    def failed(self, reason: ErrorReason, *, reused: bool) -> None:
        """The stream has ended before its time."""
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.failed(reason, reused=reused)
        elif self.tunnel is not None:
            self.tunnel.lost()

    def pause_upload(self) -> None:
        if self.exchange is not None:
            self.exchange.pause_upload()
        elif self.tunnel is not None:
            self.tunnel.pause_writing()

    def resume_upload(self) -> None:
        if self.exchange is not None:
            self.exchange.resume_upload()
        elif self.tunnel is not None:
            self.tunnel.window_opened()
