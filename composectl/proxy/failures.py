"""The failed attempts of one request, and what comes next: another backend, a wait, or the end."""

from __future__ import annotations

from typing import Final

from composectl.balance.backend import Backend
from composectl.balance.lease import Lease
from composectl.balance.phase import Phase
from composectl.balance.pool import Pool
from composectl.balance.retry import may_retry
from composectl.proxy.errors import ErrorReason
from composectl.proxy.queue import Queued, RequestQueue
from composectl.proxy.sockets import is_exhaustion, reason_of

# A backend that is told to stop may refuse before Docker reports it.
_STOP_REPORTED_WITHIN: Final = 1  # seconds
_MAX_ROUNDS: Final = 3


class Failures:
    """The failed attempts of one request; `reason`: of the last one.

    `checked`: health checks try the port that the request goes to, so that a backend that refuses is soon ejected.
    """

    __slots__ = ("_backends", "_checked", "_connected", "_reached", "_rounds", "reason")

    def __init__(self, reason: ErrorReason, *, checked: bool) -> None:
        self.reason = reason
        self._checked = checked
        self._connected = False
        self._rounds = 0
        self._reached = 0  # backends that may have got the request
        self._backends: tuple[Backend, ...] = ()  # not to be tried again while there are others

    def add(self, lease: Lease, reason: ErrorReason, *, connected: bool) -> None:
        """The backend of this lease has failed it; `connected`: it may have got the request."""
        self.reason = reason
        self._connected = connected
        self._backends += (lease.backend,)
        if connected:
            self._reached += 1
            lease.attempt_failed()
        else:
            lease.first_byte()  # it cost the backend no work, and the retry budget nothing

    def may_retry(self, method: bytes, *, whole: bool) -> bool:
        """Whether the request may go to a further backend: see `composectl.balance.retry.may_retry`."""
        return may_retry(method, connected=self._connected, whole=whole, reached=self._reached)

    def next_lease(self, pool: Pool, queue: RequestQueue, address: str, session: bytes | None = None) -> Lease | None:
        """A lease of a ready backend that has not failed the request, or of one that has where none is left.

        For `address` and `session` see `Leases.acquire`.
        """
        if self._by_all(pool.ready):
            if pool.ready and not self._may_go_round():
                return None
            self._backends = ()
            self._rounds += 1
        reached, freed = self._reached > 0, queue.admit_retries
        return pool.leases.acquire_retry(self._backends, address, session, reached=reached, on_slot_free=freed)

    def queue(self, request: Queued, pool: Pool, queue: RequestQueue) -> bool:
        """Let the request wait for a backend, for word of a stop, or for the retry budget; False: it must not."""
        if not pool.ready:
            return queue.enqueue(request)
        if pool.leases.is_full(self._backends):
            return queue.enqueue_pinned(request)
        if not self._reached:
            self._backends = ()
            return queue.enqueue_refused(request, within=None if self._checked else _STOP_REPORTED_WITHIN)
        return pool.leases.budget.in_use and queue.enqueue_retry(request)

    # Private

    def _by_all(self, ready: int) -> bool:
        """Whether every one of so many ready backends has failed it."""
        return sum(backend.phase is Phase.READY for backend in self._backends) == ready

    def _may_go_round(self) -> bool:
        """Whether those that have failed it may get it again, at once: one more refusal tells whether they are away."""
        if self.reason is ErrorReason.STREAM_REFUSED:  # another connection may take it; no ejection ends the rounds
            return self._rounds < _MAX_ROUNDS
        refused = self.reason is ErrorReason.BACKEND_UNREACHABLE and self._checked
        return refused or self.reason is ErrorReason.BACKEND_HUNG_UP


def connect_failed(pool: Pool, backend: Backend, error: OSError, accepted: int, *, checked: bool) -> ErrorReason:
    """Why; the backend is not to blame where this process lacks descriptors, or where it has accepted meanwhile.

    `accepted`: how often it had accepted when this connection was begun.
    """
    if is_exhaustion(error):
        return ErrorReason.TOO_MANY_OPEN_FILES
    if checked and accepted == backend.outlier.accepted:
        pool.leases.connection_refused(backend, reason_of(error))
    return ErrorReason.CONNECT_TIMEOUT if isinstance(error, TimeoutError) else ErrorReason.BACKEND_UNREACHABLE
