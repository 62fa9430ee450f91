"""An exchange: one request and its response on their way through the proxy, whatever the protocol on either side."""

from __future__ import annotations

import asyncio
from time import monotonic_ns
from typing import Final

from composectl.balance.backend import Backend
from composectl.balance.lease import Lease
from composectl.balance.retry import IDEMPOTENT
from composectl.proxy.access_log_format import AccessRecord
from composectl.proxy.backend_stream import BackendStream, ResponseReceiver
from composectl.proxy.client_stream import ClientStream
from composectl.proxy.errors import ErrorReason, status_of
from composectl.proxy.failures import Failures
from composectl.proxy.head import Fields, RequestHead, ResponseHead
from composectl.proxy.replay import ReplayBuffer
from composectl.proxy.sockets import keep_alive
from composectl.proxy.tunnel import Tunnel
from composectl.proxy.upstreams import Upstream

_TUNNEL_IDLE: Final = 5
_NO_BYTE_CAME: Final = (ErrorReason.BACKEND_HUNG_UP, ErrorReason.BACKEND_TOO_SLOW)


class Exchange(ResponseReceiver):
    """Sends a request to a backend, or to another one if it must, and relays the response.

    `started`: it is its turn.
    """

    __slots__ = (
        "_backend",
        "_body",
        "_client",
        "_head_sent",
        "_once",
        "_replay",
        "_replayable",
        "_started_ns",
        "_trailers",
        "_unsent",
        "_upstream",
        "started",
    )

    _started_ns: int

    def __init__(
        self, client: ClientStream, upstream: Upstream, request: RequestHead, record: AccessRecord | None
    ) -> None:
        super().__init__(upstream.pool, upstream.queue, record, upstream.checked)
        self._client = client
        self._upstream = upstream
        self.request = request
        self.started = self.uploaded = self.response_started = False
        self.spliced = 0
        self._unsent = True
        self._head_sent = False
        self._body: list[bytes] = []  # what is not yet sent
        self._trailers: Fields | None = None  # of the whole request
        self._once = request.method not in IDEMPOTENT  # it must not be sent twice
        self._replayable = not self._once or upstream.connections.may_refuse  # all that was sent can be sent again
        self._replay: ReplayBuffer | None = None
        self._backend: BackendStream | None = None

    # The client's side

    def start(self) -> None:
        """Choose a backend and send what there is of the request, or queue it."""
        self.started = True
        if self.record is not None:
            self.record.start()
        self._started_ns = monotonic_ns()
        if self.request.pin:
            self._place_at(int(self.request.pin))
        else:
            self._place()

    def add_body(self, data: bytes) -> None:
        if self.record is not None:
            self.record.received += len(data)
        self._body.append(data)
        self._unsent = True

    def end_body(self, trailers: Fields) -> None:
        self.uploaded = True
        self._trailers = trailers
        self._unsent = True

    def flush(self) -> None:
        backend = self._backend
        if backend is None or not self._unsent:
            return
        self._unsent = False
        body = self._body
        if body:
            self._body = []
        head = None if self._head_sent else self.request
        if not backend.send(head, body, self._trailers, once=self._once):
            self._body, self._unsent = body, True
            backend.cancel()
            self._backend = None
            self._dial(self._current_lease())
            return
        self._head_sent = True
        if body and self._replayable:
            replay = self._replay = self._replay or ReplayBuffer(self._upstream.replay)
            self._replayable = replay.keep(body)

    def upload_target(self) -> asyncio.Transport | None:
        """Where the kernel may write the rest of the body; None where it may not, and where it may be sent again."""
        if self._backend is None or self._unsent or self._replayable:
            return None
        return self._backend.upload_target()

    def client_closed(self) -> None:
        """The client will not read the response: the backend must not go on with it."""
        cut = self._client.aborted
        if cut and self._lease is not None:
            self._take_lease().failed(ErrorReason.CUT)
        record = self.cancel()
        if self.started:
            self._client.log_access(record, 0, ErrorReason.CUT if cut else ErrorReason.CLIENT_LEFT)

    def cancel(self) -> AccessRecord | None:
        """The response is not wanted; returns the record, which is for others to end."""
        self._stop_upload()
        if self._backend is not None:
            self._backend.cancel()
        record, self.record = self.record, None
        self._queue.remove(self)
        if self._dial_task is not None:
            self._dial_task.cancel()
        if self._lease is not None:
            self._take_lease().client_closed()
        return record

    def is_at(self, backend: Backend) -> bool:
        return self._lease is not None and self._lease.backend is backend

    @property
    def may_end_in_order(self) -> bool:
        """Whether a backend that is told to stop can end the response so that the client sees it whole."""
        return self.uploaded and self._client.responding and self._backend is not None and self._backend.shows_end

    def sweep(self) -> None:
        if self.response_started and self._lease is not None:
            self._lease.first_byte()
        if self._backend is not None:
            self._backend.sweep(self._upstream.limits)

    def pause_response(self) -> None:
        if self._backend is not None:
            self._backend.pause()

    def resume_response(self) -> None:
        if self._backend is not None:
            self._backend.resume()

    # Both sides

    def count_spliced(self, received: int, sent: int) -> None:
        if self.record is not None:
            self.record.received += received
            self.record.sent += sent

    # The queue's side

    def dequeued(self) -> None:
        self._started_ns = monotonic_ns()
        if self.request.pin:
            self._place_at(int(self.request.pin))
        else:
            super().dequeued()

    def fail_internally(self, error: Exception) -> None:
        self._client.fail_internally(error)

    # The backend's side

    @property
    def awaits_backend(self) -> bool:
        return self.uploaded or self._client.upload_paused

    def pause_upload(self) -> None:
        if not self.uploaded:
            self._client.pause_upload()

    def resume_upload(self) -> None:
        self._client.resume_upload()

    def widens(self) -> bool:
        return self._client.widens()

    def response_target(self) -> asyncio.Transport | None:
        return self._client.response_target()

    def respond(self, head: ResponseHead | None, body: list[bytes], trailers: Fields | None) -> None:
        if self._replay is not None:
            self._replay.take()
            self._replayable = False
        record = self.record
        if record is not None:
            if head is not None:
                record.status = head.status
            record.sent += sum(map(len, body))
        if head is not None:
            upstream = self._upstream
            if upstream.session_fields is not None or upstream.response_edits is not None:
                head = self._edited(head)
        self._client.send(head, body, trailers)

    def respond_interim(self, head: ResponseHead) -> None:
        if head.status == 101 or head.status >= 200:
            head = self._edited(head)
        self._client.send_interim(head)

    def finished(self, status: int) -> None:
        self._stop_upload()
        self._backend = None
        self._take_lease().answered(status, (monotonic_ns() - self._started_ns) // 1000)
        if self.record is not None:
            self._log(status)
        self._client.finished()

    def upgraded(self, transport: asyncio.Transport, rest: bytes) -> None:
        self._backend = None
        lease = self._take_lease()
        lease.first_byte()
        keep_alive(transport, idle=_TUNNEL_IDLE)
        client_transport, first_bytes = self._client.detach(lease.backend)
        if self.record is not None:
            self.record.sent = len(rest)

        def closed(tunnel: Tunnel) -> None:
            lease.tunnel_closed()
            if self.record is not None:
                up, down = tunnel.relayed
                self.record.received += len(first_bytes) + up
                self.record.sent += down
                self._log(101, ErrorReason.CUT if self._client.aborted else tunnel.error)
            self.tunnel_closed()
            self._client.tunnel_closed()

        idle_timeout = self._upstream.limits.idle_timeout
        self._client.tunnel_opened(Tunnel(client_transport, transport, closed, idle_timeout))
        client_transport.write(rest)
        transport.write(first_bytes)

    def tunnel_closed(self) -> None:
        """The tunnel that it became has ended."""

    def failed(self, reason: ErrorReason, *, reused: bool) -> None:
        self._backend = None
        if self.response_started or reason not in _NO_BYTE_CAME:
            self._fail(reason)
        elif reused and reason is ErrorReason.BACKEND_HUNG_UP and not self._once and self._restore_sent():
            self._dial(self._current_lease())  # it had only been closed for idleness
        else:
            self._attempt_failed(reason, connected=True)

    def refused(self) -> None:
        self._backend = None
        self._attempt_failed(ErrorReason.STREAM_REFUSED, connected=False)

    # Private

    def _stop_upload(self) -> None:
        if not self.uploaded:
            self._client.stop_upload()

    def _take_lease(self) -> Lease:
        if self._replay is not None:
            self._replay.take()
        return super()._take_lease()

    def _enqueued(self) -> None:
        self.pause_upload()
        super()._enqueued()

    def _acquire(self) -> Lease | None:
        return self._pool.leases.acquire((), self._client.address, self.request.session)

    def _acquire_at_once(self) -> Lease | None:
        return self._pool.leases.acquire_kept(self.request.session)

    def _next_lease(self, failures: Failures) -> Lease | None:
        return failures.next_lease(self._pool, self._queue, self._client.address, self.request.session)

    def _place_at(self, number: int) -> None:
        """Send it to the replica of this number, or to none."""
        lease = self._pool.leases.acquire_at(number)
        if lease is not None:
            self._send_to(lease)
        elif self._pool.leases.has(number):
            self._enqueue_pinned()
        else:
            self._pool.leases.reject(ErrorReason.NO_SUCH_REPLICA)
            self._end_without(ErrorReason.NO_SUCH_REPLICA)

    def _edited(self, head: ResponseHead) -> ResponseHead:
        upstream = self._upstream
        if upstream.response_edits is not None:
            head = head.with_fields(upstream.response_edits.apply(head.fields))
        if upstream.session_fields is not None:
            head = upstream.session_fields.mark(head, self.request, self._current_lease().backend)
        return head

    def _send_to(self, lease: Lease) -> None:
        self._lease = lease
        if self.record is not None:
            self.record.attempt(lease.backend.replica)
        connections = self._upstream.connections
        # A kept connection may be closed just now by the other side, and only what is idempotent may be sent twice.
        kept = connections.take_recent(lease.backend) if self._once else connections.take(lease.backend)
        if kept is None:
            self._dial(lease)
        else:
            self._use(kept)

    def _use(self, backend: BackendStream) -> None:
        self._backend = backend
        backend.start(self)
        if not self._client.takes_response():
            backend.pause()
        self._client.resume_upload()
        self.flush()

    def _dial(self, lease: Lease) -> None:
        self.pause_upload()
        self._dial_task = asyncio.get_running_loop().create_task(self._connect(lease.backend))

    async def _connect(self, backend: Backend) -> None:
        accepted = backend.outlier.accepted
        try:
            stream = await self._upstream.connections.dial(backend)
        except OSError as error:
            self._dial_failed(backend, error, accepted)
        else:
            self._dialed(backend)
            self._use(stream)

    def _restore_sent(self) -> bool:
        """Make all that was sent unsent again, if it is still there."""
        if not self._replayable:
            return False
        if self._replay is not None:
            self._body[:0] = self._replay.take()
        self._head_sent, self._unsent = False, True
        return True

    def _attempt_failed(self, reason: ErrorReason, *, connected: bool) -> None:
        whole = self._restore_sent() if self._head_sent else True
        failures = self._add_failure(reason, connected=connected)
        if not self.request.pin and failures.may_retry(self.request.method, whole=whole):
            self._retry(failures)
        else:
            self._fail(reason)

    def _end_without(self, reason: ErrorReason) -> None:
        self._stop_upload()
        if self._client.responding:
            self._log(0, reason)
            self._client.abort_response()
            return
        self._answer(status_of(reason), reason, [])

    def _answer(self, status: int, reason: ErrorReason, fields: Fields) -> None:
        """End with a response of the proxy itself, which has these fields beside those of each."""
        sent = self._client.send_error(status, reason, fields)
        if self.record is not None:
            self.record.sent = sent
        self._log(status, reason)
        self._client.finished()

    def _log(self, status: int, error: str = "") -> None:
        record, self.record = self.record, None
        self._client.log_access(record, status, error)
