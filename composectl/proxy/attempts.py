"""The attempts of a request, or of a connection, to get a backend: its lease, its failures, and its wait for more."""

from __future__ import annotations

import asyncio

from composectl.balance.backend import Backend
from composectl.balance.lease import Lease
from composectl.balance.pool import Pool
from composectl.proxy.access_log_format import AccessRecord
from composectl.proxy.errors import ErrorReason
from composectl.proxy.failures import Failures, connect_failed
from composectl.proxy.queue import NOT_QUEUED, Queued, RequestQueue


class Attempts(Queued):
    """`record` is for the access log: None where there is none, or where it was handed over.

    `checked`: the health checks of the pool try the port that it goes to.
    """

    __slots__ = ("_checked", "_dial_task", "_failures", "_lease", "_pool", "_queue", "record")

    def __init__(self, pool: Pool, queue: RequestQueue, record: AccessRecord | None, checked: bool) -> None:
        self.queued_at = NOT_QUEUED
        self.record = record
        self._pool = pool
        self._queue = queue
        self._checked = checked
        self._failures: Failures | None = None
        self._lease: Lease | None = None
        self._dial_task: asyncio.Task[None] | None = None

    # The queue's side

    @property
    def is_dialing(self) -> bool:
        return self._dial_task is not None

    def dequeued(self) -> None:
        if self.record is not None:
            self.record.dequeued()
        if self._failures is not None:
            self._retry(self._failures)
            return
        lease = self._acquire()
        if lease is not None:
            self._send_to(lease)
        elif self._pool.leases.cap is not None:
            self._enqueue_pinned()
        else:
            self.reject()

    def reject(self) -> None:
        is_capped = self._pool.ready and self._pool.leases.cap is not None
        reason = ErrorReason.BACKENDS_BUSY if is_capped else ErrorReason.NO_BACKEND_READY
        if self._lease is not None:
            self._fail(reason)
        else:
            self._pool.leases.reject(reason)
            self._end_without(reason)

    # What each does in its own way

    def _acquire(self) -> Lease | None:
        """Choose the first backend; None where none is ready, or may get more."""
        raise NotImplementedError

    def _acquire_at_once(self) -> Lease | None:
        """Choose a backend that those which wait already do not wait for, if there is one."""
        return None

    def _next_lease(self, failures: Failures) -> Lease | None:
        """Choose another one."""
        raise NotImplementedError

    def _send_to(self, lease: Lease) -> None:
        """The backend of this lease is to get it."""
        raise NotImplementedError

    def _attempt_failed(self, reason: ErrorReason, *, connected: bool) -> None:
        """Go on with another backend, if that is safe; `connected`: this one may have got it."""
        raise NotImplementedError

    def _end_without(self, reason: ErrorReason) -> None:
        """No backend takes it: tell the client."""
        raise NotImplementedError

    # Private

    def _place(self) -> None:
        """Choose a backend, or let it wait for one."""
        lease = self._acquire_at_once() if self._queue.must_queue else self._acquire()
        if lease is not None:
            self._send_to(lease)
        elif self._queue.enqueue(self):
            self._enqueued()
        else:
            self.reject()

    def _enqueue_pinned(self) -> None:
        """Let it wait for the backend that it needs, which is full."""
        if self._queue.enqueue_pinned(self):
            self._enqueued()
        else:
            self.reject()

    def _enqueued(self) -> None:
        if self.record is not None:
            self.record.enqueued()

    def _current_lease(self) -> Lease:
        assert self._lease is not None
        return self._lease

    def _take_lease(self) -> Lease:
        lease, self._lease = self._current_lease(), None
        return lease

    def _dialed(self, backend: Backend) -> None:
        self._dial_task = None
        if self._checked:
            self._pool.leases.connected(backend)

    def _dial_failed(self, backend: Backend, error: OSError, accepted: int) -> None:
        self._dial_task = None
        reason = connect_failed(self._pool, backend, error, accepted, checked=self._checked)
        if reason is ErrorReason.TOO_MANY_OPEN_FILES:
            self._fail(reason)
        else:
            self._attempt_failed(reason, connected=False)

    def _add_failure(self, reason: ErrorReason, *, connected: bool) -> Failures:
        failures = self._failures
        if failures is None:
            failures = self._failures = Failures(reason, checked=self._checked)
        failures.add(self._current_lease(), reason, connected=connected)
        return failures

    def _retry(self, failures: Failures) -> None:
        lease = self._next_lease(failures)
        if lease is not None:
            self._take_lease().retried(failures.reason)
            self._send_to(lease)
        elif failures.queue(self, self._pool, self._queue):
            self._pool.leases.vacate(self._current_lease())
            self._enqueued()
        else:
            self._fail(failures.reason)

    def _fail(self, reason: ErrorReason) -> None:
        self._take_lease().failed(reason)
        self._end_without(reason)
