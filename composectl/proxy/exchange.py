"""An exchange: one request and its response, on its way through the proxy."""

from __future__ import annotations

import asyncio
from time import monotonic_ns
from typing import TYPE_CHECKING

from composectl.balance.backend import Backend
from composectl.balance.lease import Lease
from composectl.balance.phase import Phase
from composectl.balance.retry import IDEMPOTENT, may_retry
from composectl.proxy.error_pages import error_page, http_date
from composectl.proxy.head import Fields, RequestHead, last_chunk
from composectl.proxy.sockets import is_exhaustion, keep_alive, reason_of
from composectl.proxy.tunnel import join

if TYPE_CHECKING:
    from composectl.proxy.access_log_format import AccessRecord
    from composectl.proxy.http1.backend_connection import BackendConnection
    from composectl.proxy.http1.client_connection import ClientConnection
    from composectl.proxy.limits import Limits

_TUNNEL_IDLE = 5
_REPLAYABLE = 1024 * 1024
_NOTHING_HEARD = ("backend-hung-up", "backend-too-slow")
_NOBODY = "no-backend-ready"
_CLIENT_LEFT = "client-left"
_CUT = "cut"
_REFUSED = "backend-unreachable"
_WORD_COMES = 1_000_000_000  # nanoseconds: who is told to stop listens no more before Docker says so
_STATUS = {
    "backend-too-slow": 504,
    "connect-timeout": 504,
    "internal-error": 500,
    "too-many-open-files": 503,
    _NOBODY: 503,
}


class Exchange:
    """Takes a request to a backend, to another one if it must, and tells both connections of the end.

    What is not yet sent is `_pending`; what was sent and could be sent again is `_sent`, or None if that is lost.
    `entry` is what the access log gets, None where there is no log, or where the entry is in other hands.
    """

    __slots__ = (
        "_began",
        "_dialling",
        "_lease",
        "_outbound",
        "_pending",
        "_sent",
        "_sent_size",
        "_setback",
        "_tried",
        "begun",
        "chunked_upload",
        "entry",
        "heard",
        "http_1_0",
        "id_line",
        "inbound",
        "keep_alive",
        "method",
        "trailers_welcome",
        "upgrade",
        "uploaded",
    )

    def __init__(
        self, inbound: ClientConnection, method: bytes, head: RequestHead, keep_alive: bool, http_1_0: bool
    ) -> None:
        self.inbound = inbound
        self.method = method
        self.keep_alive = keep_alive
        self.http_1_0 = http_1_0
        self.chunked_upload = head.chunked
        self.trailers_welcome = head.trailers
        self.upgrade = head.upgrade
        self.id_line = head.id_line
        self.entry: AccessRecord | None = None
        self.begun = False
        self.uploaded = False  # the whole request has come from the client
        self.heard = False  # a byte of the response has come from the backend
        self._pending = [head.data]
        self._sent: list[bytes] | None = [] if method in IDEMPOTENT else None
        self._sent_size = 0
        self._tried: tuple[Backend, ...] = ()
        self._lease: Lease | None = None
        self._outbound: BackendConnection | None = None
        self._dialling: asyncio.Task[None] | None = None

    # The client's side

    def begin(self) -> None:
        """Choose a backend and send what there is of the request; where nobody is ready, wait if that may be."""
        self.begun = True
        if self.entry is not None:
            self.entry.start()
        upstream = self.inbound.upstream
        lease = None if upstream.queue.must_queue else upstream.pool.leases.acquire((), self.inbound.client)
        if lease is not None:
            self._begin_at(lease)
        elif not self._wait():
            self.reject()

    def add_body(self, data: bytes) -> None:
        """A piece of the request's body has come."""
        if self.entry is not None:
            self.entry.received += len(data)
        if self.chunked_upload:
            self._pending += (b"%x\r\n" % len(data), data, b"\r\n")
        else:
            self._pending.append(data)

    def end_body(self, trailers: Fields) -> None:
        """The request is whole."""
        self.uploaded = True
        if self.chunked_upload:
            self._pending.append(last_chunk(trailers))

    def flush(self) -> None:
        """Send on what has come."""
        pending = self._pending
        if self._outbound is not None and pending:
            self._pending = []
            data = pending[0] if len(pending) == 1 else b"".join(pending)
            if self._sent is not None:
                self._remember(data, self._sent)
                self._outbound.transport.write(data)
            elif not self._outbound.send_once(data):
                self._dial_instead(data)

    def client_gone(self) -> None:
        """The client will not read the response: the backend must not go on with it."""
        entry = self.forsake()
        if self.begun:
            self.inbound.note(entry, 0, _CUT if self.inbound.cut else _CLIENT_LEFT)

    def forsake(self) -> AccessRecord | None:
        """Nobody is to get the response; returns its entry, which is for others to end."""
        entry, self.entry = self.entry, None
        self.inbound.upstream.queue.remove(self)
        if self._dialling is not None:
            self._dialling.cancel()
        if self._outbound is not None:
            self._outbound.drop()
        if self._lease is not None:
            self._lease.client_closed()
            self._lease = None
        return entry

    def sweep(self, limits: Limits) -> None:
        """A second has passed: enforce what a backend may take."""
        if self.heard and self._lease is not None:
            self._lease.first_byte()
        if self._outbound is not None:
            self._outbound.sweep(limits)
        else:
            self.inbound.notice_end()

    def pause_response(self) -> None:
        """The client reads slower than the backend writes."""
        if self._outbound is not None:
            self._outbound.pause_reading()

    def resume_response(self) -> None:
        """The client has caught up."""
        if self._outbound is not None:
            self._outbound.resume_reading()

    # The waiting room's side

    @property
    def is_dialing(self) -> bool:
        """A connection is being made for it."""
        return self._dialling is not None

    def dequeued(self) -> None:
        """Somebody is ready, and it is this request's turn."""
        if self.entry is not None:
            self.entry.dequeued()
        if self._lease is not None:
            reason, connected = self._setback
            self._try_another(reason, connected=connected)
            return
        lease = self.inbound.upstream.pool.leases.acquire((), self.inbound.client)
        if lease is None:
            self.reject()
        else:
            self._begin_at(lease)

    def reject(self) -> None:
        """Nobody is ready, and there is no waiting, or no longer."""
        if self._lease is not None:
            self._give_up(_NOBODY)
        else:
            self.inbound.upstream.pool.leases.reject(_NOBODY)
            self._answer(503, _NOBODY)

    # The backend's side

    def completed(self, status: int) -> None:
        """The final response was relayed whole."""
        self._outbound = None
        self._take_lease().answered(status, (monotonic_ns() - self._began) // 1000)
        if self.entry is not None:
            self._note(status)
        self.inbound.finished(self)

    def switched(self, outbound: BackendConnection, rest: bytes) -> None:
        """The backend speaks the other protocol from here on; `rest` are its first bytes."""
        self._outbound = None
        lease = self._take_lease()
        lease.first_byte()
        keep_alive(outbound.transport, idle=_TUNNEL_IDLE)
        client, first_bytes = self.inbound.hand_over()

        def ended(up: int, down: int) -> None:
            lease.tunnel_closed()
            if self.entry is not None:
                self.entry.received += len(first_bytes) + up
                self.entry.sent += down
                self._note(101, _CUT if self.inbound.cut else "")
            self.inbound.taken_back()

        join(client, outbound.transport, ended)
        client.write(rest)
        outbound.transport.write(first_bytes)

    def broken(self, reason: str, *, reused: bool) -> None:
        """The backend's connection ended before the response did, or its response is none."""
        self._outbound = None
        if self.heard or reason not in _NOTHING_HEARD:
            self._give_up(reason)
        elif reused and reason == "backend-hung-up" and self._rewind():
            self._dial(self._leased)  # it had only been closed for idleness
        else:
            self._try_another(reason, connected=True)

    # Private

    @property
    def _leased(self) -> Lease:
        assert self._lease is not None
        return self._lease

    def _take_lease(self) -> Lease:
        lease, self._lease = self._leased, None
        return lease

    def _wait(self) -> bool:
        """Be held until somebody is ready, if there is room for one more."""
        held = self.inbound.upstream.queue.enqueue(self)
        if held and self.entry is not None:
            self.entry.enqueued()
        if held and not self.uploaded:
            self.inbound.hold_upload()
        return held

    def _begin_at(self, lease: Lease) -> None:
        self._began = monotonic_ns()
        self._go_to(lease)

    def _go_to(self, lease: Lease) -> None:
        self._lease = lease
        self._tried += (lease.backend,)
        if self.entry is not None:
            self.entry.attempt(lease.backend.replica)
        connections = self.inbound.upstream.connections
        # A kept connection may be closed just now by the other side, and only what is idempotent may be sent twice.
        kept = connections.take_recent(lease.backend) if self._sent is None else connections.take(lease.backend)
        if kept is None:
            self._dial(lease)
        else:
            self._use(kept)

    def _use(self, outbound: BackendConnection) -> None:
        self._outbound = outbound
        outbound.carry(self)
        self.inbound.release_upload()
        self.flush()

    def _dial(self, lease: Lease) -> None:
        if not self.uploaded:
            self.inbound.hold_upload()
        self._dialling = asyncio.get_running_loop().create_task(self._connect(lease.backend))

    def _dial_instead(self, unsent: bytes) -> None:
        assert self._outbound is not None
        self._outbound.drop()
        self._outbound = None
        self._pending.insert(0, unsent)
        self._dial(self._leased)

    async def _connect(self, backend: Backend) -> None:
        try:
            outbound = await self.inbound.upstream.connections.dial(backend)
        except OSError as error:
            self._dialling = None
            self._could_not_dial(backend, error)
        else:
            self._dialling = None
            self.inbound.upstream.pool.leases.connected(backend)
            self._use(outbound)

    def _could_not_dial(self, backend: Backend, error: OSError) -> None:
        if is_exhaustion(error):
            self._give_up("too-many-open-files")
            return
        self.inbound.upstream.pool.leases.connection_refused(backend, reason_of(error))
        late = isinstance(error, TimeoutError)
        self._try_another("connect-timeout" if late else _REFUSED, connected=False)

    def _remember(self, data: bytes, sent: list[bytes]) -> None:
        sent.append(data)
        self._sent_size += len(data)
        if self._sent_size > _REPLAYABLE:
            self._sent = None

    def _rewind(self) -> bool:
        """Make all that was sent pending again, if it is still there."""
        if self._sent is None:
            return False
        self._pending[:0] = self._sent
        self._sent, self._sent_size = [], 0
        return True

    def _try_another(self, reason: str, *, connected: bool) -> None:
        whole = self._rewind() if connected else True
        retry = may_retry(self.method, connected=connected, whole=whole, tried=len(self._tried))
        inbound, pool = self.inbound, self.inbound.upstream.pool
        self._leased.attempt_failed()
        if retry and not pool.ready and self._wait():
            self._setback = reason, connected
            return
        lease = None
        if retry:
            freed = inbound.upstream.queue.admit_retries
            lease = pool.leases.acquire_retry(self._tried, inbound.client, connected=connected, on_slot_free=freed)
        if lease is not None:
            self._take_lease().retried(reason)
            self._go_to(lease)
        elif reason == _REFUSED and self._is_refused_by_all() and self._wait():
            self._setback, self._tried = (reason, connected), ()
        elif retry and connected and pool.leases.is_retrying and inbound.upstream.queue.enqueue_retry(self):
            self._setback = reason, connected
            if self.entry is not None:
                self.entry.enqueued()
        else:
            self._give_up(reason)

    def _is_refused_by_all(self) -> bool:
        """Whoever is ready has refused it, and it began so lately that word of their end may be on its way."""
        tried = sum(backend.phase is Phase.READY for backend in self._tried)
        return tried == self.inbound.upstream.pool.ready and monotonic_ns() - self._began < _WORD_COMES

    def _give_up(self, reason: str) -> None:
        self._take_lease().failed(reason)
        if self.inbound.answering:
            self._note(0, reason)
            self.inbound.break_off(reset=self.http_1_0)
        else:
            self._answer(_STATUS.get(reason, 502), reason)

    def _answer(self, status: int, reason: str) -> None:
        close = self.inbound.closing or not (self.keep_alive and self.uploaded)
        if close:
            self.inbound.close_after()
        page = error_page(
            status, reason, date=http_date(), close=close, body=self.method != b"HEAD", id_line=self.id_line
        )
        self.inbound.transport.write(page)
        self._note(status, reason)
        self.inbound.finished(self)

    def _note(self, status: int, error: str = "") -> None:
        entry, self.entry = self.entry, None
        self.inbound.note(entry, status, error)
