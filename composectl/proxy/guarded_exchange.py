"""An exchange that begins only once the guards of its service admit it."""

from __future__ import annotations

from composectl.proxy.access_log_format import AccessRecord
from composectl.proxy.client_stream import ClientStream
from composectl.proxy.errors import ErrorReason
from composectl.proxy.exchange import Exchange, Upstream
from composectl.proxy.guards import Guards, Refusal
from composectl.proxy.head import RequestHead


class GuardedExchange(Exchange):
    """`address`: that of the client, as trusted proxies tell it. `_is_counted`: the guards count it as in flight."""

    __slots__ = ("_address", "_guards", "_is_counted")

    def __init__(
        self,
        client: ClientStream,
        upstream: Upstream,
        request: RequestHead,
        record: AccessRecord | None,
        guards: Guards,
        address: str,
    ) -> None:
        super().__init__(client, upstream, request, record)
        self._guards = guards
        self._address = address
        self._is_counted = False

    # The client's side

    def start(self) -> None:
        refusal = self._guards.admit(self._address)
        if refusal is not None:
            self.started = True
            self._refuse(refusal)
            return
        self._is_counted = True
        super().start()

    def cancel(self) -> AccessRecord | None:
        self._release()
        return super().cancel()

    # The backend's side

    def finished(self, status: int) -> None:
        self._release()
        super().finished(status)

    def tunnel_closed(self) -> None:
        self._release()

    # Private

    def _refuse(self, refusal: Refusal) -> None:
        self._pool.leases.bad_requests[refusal.reason] += 1
        self._answer(refusal.status, refusal.reason, refusal.fields)

    def _end_without(self, reason: ErrorReason) -> None:
        self._release()
        super()._end_without(reason)

    def _release(self) -> None:
        if self._is_counted:
            self._is_counted = False
            self._guards.release(self._address)
