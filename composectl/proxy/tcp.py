"""The connection of a client that is balanced as a whole: one backend for its life, and its bytes as they are."""

from __future__ import annotations

import asyncio
from typing import Final, cast

from composectl.balance.backend import Backend
from composectl.balance.lease import Lease
from composectl.balance.phase import Phase
from composectl.proxy.access_log_format import AccessRecord
from composectl.proxy.attempts import Attempts
from composectl.proxy.connection_pool import ConnectionPool
from composectl.proxy.errors import BadMessage, ErrorReason, log_internal_error, status_of
from composectl.proxy.failures import Failures
from composectl.proxy.limits import IDLE_ENOUGH, OF_NO_USE
from composectl.proxy.listener_context import UNKNOWN, ListenerContext
from composectl.proxy.protocol import Protocol
from composectl.proxy.proxy_protocol import ENCODERS
from composectl.proxy.sockets import has_failed, keep_alive, reset
from composectl.proxy.tls_hello import HelloReader
from composectl.proxy.tunnel import Tunnel
from composectl.proxy.upstreams import Upstream

_HELLO_SECONDS: Final = 10
_BACKEND_IDLE: Final = 5
_CLIENT_IDLE: Final = 60
_CLIENT_INTERVAL: Final = 10
_RELAYED: Final = 200  # as in the log of nginx for streams


class TcpConnection(Attempts):
    """Relayed to a backend at once, or as `protocol` is TLS, once its ClientHello has come.

    `announces`: the backend is told of the client, where that is asked for.
    Nothing is read of it before there is a backend, but for the ClientHello, which is kept.
    """

    __slots__ = (
        "_aborted",
        "_announces",
        "_connections",
        "_context",
        "_counted",
        "_first",
        "_guards",
        "_hello",
        "_is_over",
        "_moved_at",
        "_peer",
        "_protocol",
        "_tunnel",
        "address",
        "transport",
    )

    transport: asyncio.Transport
    address: str
    _peer: tuple[str, int]

    def __init__(
        self,
        context: ListenerContext,
        upstream: Upstream,
        connections: ConnectionPool,
        protocol: Protocol,
        *,
        announces: bool,
    ) -> None:
        super().__init__(upstream.pool, upstream.queue, None, upstream.checked)
        self._context = context
        self._connections = connections
        self._guards = upstream.guards
        self._protocol = protocol
        self._announces = announces
        self._hello: HelloReader | None = HelloReader() if protocol is Protocol.TLS else None
        self._first = b""  # what the backend is to get first
        self._moved_at = context.tick
        self._counted = (0, 0)  # bytes that the backend's counters have
        self._tunnel: Tunnel | None = None
        self._aborted = False
        self._is_over = False  # its outcome is counted and logged

    # The queue's side

    def fail_internally(self, error: Exception) -> None:
        log_internal_error(error)
        self._leave(ErrorReason.INTERNAL_ERROR)
        reset(self.transport)

    # The server's side

    def close(self) -> None:
        """One that is relayed, or about to be, goes on."""
        if self._hello is not None:
            self.transport.close()

    def close_after_response(self) -> None:
        pass

    def abort(self) -> None:
        self._aborted = True
        if self._tunnel is not None:
            self._tunnel.abort()
        else:
            self._leave(ErrorReason.CUT)
            reset(self.transport)

    def cut(self, backend: Backend, *, spare_streams: bool = False) -> None:
        if self._lease is not None and self._lease.backend is backend:
            self.abort()

    def idleness(self, tick: int) -> int:
        """Only one whose ClientHello has not come may make room: a relayed one is in use for as long as it stands."""
        if self._hello is None or tick - self._moved_at < IDLE_ENOUGH:
            return 0
        return 1 if self._hello.received else tick - self._moved_at + OF_NO_USE

    def sweep(self, tick: int) -> None:
        if self._tunnel is not None:
            self._count(self._tunnel)
            self._tunnel.sweep()
        elif self._hello is not None:
            if tick - self._moved_at > _HELLO_SECONDS:
                self._refuse(ErrorReason.HEAD_TOO_SLOW)
        elif not self.transport.is_closing() and has_failed(self.transport.get_extra_info("socket").fileno()):
            self.transport.abort()

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._peer = self._context.peer_of(transport)
        self.address = self._peer[0]
        self.record = self._make_record()
        self._context.opened(self)
        if self._peer == UNKNOWN:
            self.transport.abort()
        elif self._guards is not None and not self._guards.admits_address(self.address):
            self._pool.leases.bad_requests[ErrorReason.IP_NOT_ALLOWED] += 1
            self._log(403, ErrorReason.IP_NOT_ALLOWED)
            reset(self.transport)
        elif self._hello is None:
            self._start()

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        hello = self._hello
        if hello is None:  # uvloop has read it already
            self._first += data
            self.transport.pause_reading()
            return
        try:
            if hello.feed(data):
                self._hello = None
                self._first = bytes(hello.received)
                if self.record is not None:
                    self.record.server_name = hello.server_name
                self._start()
        except BadMessage as bad:
            self._refuse(bad.reason)

    def eof_received(self) -> bool:
        if self._hello is not None and self._hello.received:
            self._refuse(ErrorReason.NOT_TLS)
        return False

    def pause_writing(self) -> None:
        pass

    def resume_writing(self) -> None:
        pass

    def connection_lost(self, error: Exception | None) -> None:
        self._leave(ErrorReason.CLIENT_LEFT)
        self._context.closed(self)

    # Private

    def _make_record(self) -> AccessRecord | None:
        if self._context.log is None:
            return None
        service, port = self._pool.service, self._connections.port
        return AccessRecord(service, port, self.address, b"", b"", self._protocol, b"", {})

    def _start(self) -> None:
        """Choose a backend, or wait for one; until then the kernel keeps what else the client sends."""
        self.transport.pause_reading()
        self._place()

    def _acquire(self) -> Lease | None:
        return self._pool.leases.acquire((), self.address)

    def _next_lease(self, failures: Failures) -> Lease | None:
        return failures.next_lease(self._pool, self._queue, self.address)

    def _send_to(self, lease: Lease) -> None:
        self._lease = lease
        if self.record is not None:
            self.record.attempt(lease.backend.replica)
        self._dial_task = asyncio.get_running_loop().create_task(self._connect(lease.backend))

    async def _connect(self, backend: Backend) -> None:
        end, accepted = _BackendEnd(), backend.outlier.accepted
        try:
            await self._connections.connect(backend, cast(asyncio.Protocol, end))
            if backend.phase is Phase.GONE:  # and another may have its address by now
                raise ConnectionAbortedError("its container is gone")
            if end.is_lost:
                raise ConnectionResetError("reset at once")
        except OSError as error:
            end.abort()
            self._dial_failed(backend, error, accepted)
        except BaseException:
            end.abort()
            raise
        else:
            self._dialed(backend)
            self._relay(end)

    def _attempt_failed(self, reason: ErrorReason, *, connected: bool) -> None:
        self._retry(self._add_failure(reason, connected=connected))

    def _relay(self, end: _BackendEnd) -> None:
        transport = end.transport
        assert transport is not None
        encode = ENCODERS.get(self._context.limits.send_proxy_protocol) if self._announces else None
        keep_alive(self.transport, _CLIENT_IDLE, _CLIENT_INTERVAL)
        keep_alive(transport, _BACKEND_IDLE)
        self._current_lease().connection_opened()
        self._moved_at = self._context.tick
        idle_timeout = self._context.limits.idle_timeout
        self._tunnel = Tunnel(self.transport, transport, self._relayed, idle_timeout, half_close=True)
        if encode is not None:
            header = encode(self._peer, self.transport.get_extra_info("sockname")[:2])
            transport.write(header)
        self._tunnel.deliver(self._first, end.first, other_has_ended=end.has_ended)

    def _count(self, tunnel: Tunnel) -> None:
        """Add what was relayed since the last time to the counters."""
        total = up, down = tunnel.relayed
        if total == self._counted:
            return
        backend = self._current_lease().backend
        backend.bytes_received += up - self._counted[0]
        backend.bytes_sent += down - self._counted[1]
        self._counted = total
        if self.record is not None:
            self.record.received, self.record.sent = total

    def _relayed(self, tunnel: Tunnel) -> None:
        self._count(tunnel)
        error = ErrorReason.CUT if self._aborted else tunnel.error or self._broken_by(tunnel)
        unanswered = error == ErrorReason.BACKEND_HUNG_UP and not self._counted[1]
        self._take_lease().connection_closed(error if error and (unanswered or self._aborted) else "")
        self._log(_RELAYED, error)
        self._context.closed(self)

    def _broken_by(self, tunnel: Tunnel) -> str:
        if tunnel.broken is None:
            return ""
        return ErrorReason.CLIENT_LEFT if tunnel.broken is self.transport else ErrorReason.BACKEND_HUNG_UP

    def _refuse(self, reason: ErrorReason) -> None:
        """What the client says is not what it may: it is told nothing, as what it would understand is not known."""
        self._pool.leases.bad_requests[reason] += 1
        self._log(400, reason)
        self.transport.close()

    def _end_without(self, reason: ErrorReason) -> None:
        """There is no backend: the client must not take the end for that of a conversation."""
        self._log(status_of(reason), reason)
        reset(self.transport)

    def _leave(self, reason: ErrorReason) -> None:
        """It ends before it was relayed."""
        self._queue.remove(self)
        if self._dial_task is not None:
            self._dial_task.cancel()
            self._dial_task = None
        if self._lease is not None:
            lease = self._take_lease()
            if reason is ErrorReason.CLIENT_LEFT:
                lease.client_closed()
            else:
                lease.failed(reason)
        self._log(0, reason)

    def _log(self, status: int, error: str) -> None:
        if self._is_over:
            return
        self._is_over = True
        unheard = self._hello is not None and not self._hello.received
        if not unheard:
            self._context.log_access(self.record, status, error)


class _BackendEnd:
    """The backend's end of a connection until it is relayed: no more is read from it than uvloop has read already."""

    __slots__ = ("first", "has_ended", "is_lost", "transport")

    transport: asyncio.Transport | None

    def __init__(self) -> None:
        self.transport = None
        self.first = b""
        self.has_ended = False
        self.is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.first += data
        if self.transport is not None:
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        self.has_ended = True
        return True

    def pause_writing(self) -> None:
        pass

    def resume_writing(self) -> None:
        pass

    def connection_lost(self, error: Exception | None) -> None:
        self.is_lost = True

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()
