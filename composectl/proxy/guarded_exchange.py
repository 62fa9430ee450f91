"""An exchange that begins only once the guards of its service admit it."""

from __future__ import annotations

from composectl.proxy.access_log_format import AccessRecord
from composectl.proxy.client_address import client_key
from composectl.proxy.client_stream import ClientStream
from composectl.proxy.errors import ErrorReason
from composectl.proxy.exchange import Exchange
from composectl.proxy.guards import Guards
from composectl.proxy.head import RequestHead
from composectl.proxy.refusal import Refusal
from composectl.proxy.upstreams import Upstream


class GuardedExchange(Exchange):
    """`address`: that of the client, as trusted proxies tell it; `authorization`: its field of that name.

    `_is_counted`: the guards count it as in flight. `_is_over`: it has ended before it was admitted.
    """

    __slots__ = ("_address", "_authorization", "_guards", "_is_counted", "_is_over")

    def __init__(
        self,
        client: ClientStream,
        upstream: Upstream,
        request: RequestHead,
        record: AccessRecord | None,
        guards: Guards,
        address: str,
        authorization: bytes,
    ) -> None:
        super().__init__(client, upstream, request, record)
        self._guards = guards
        self._address = address
        self._authorization = authorization
        self._is_counted = False
        self._is_over = False

    # The client's side

    def start(self) -> None:
        self.started = True
        if self.record is not None:
            self.record.start()
        refusal = self._guards.admit(self._address)
        if refusal is not None:
            self._refuse(refusal)
            return
        self._is_counted = True
        basic_auth = self._guards.basic_auth
        if basic_auth is None:
            super().start()
        else:
            self.pause_upload()
            basic_auth.check(self._authorization, client_key(self._address), self._authorized)

    def cancel(self) -> AccessRecord | None:
        self._is_over = True
        self._release()
        return super().cancel()

    # The backend's side

    def finished(self, status: int) -> None:
        self._release()
        super().finished(status)

    def tunnel_closed(self) -> None:
        self._release()

    # Private

    def _authorized(self, refusal: Refusal | None) -> None:
        if self._is_over:
            return
        try:
            if refusal is None:
                super().start()
            else:
                self._refuse(refusal)
        except Exception as error:
            self.fail_internally(error)

    def _refuse(self, refusal: Refusal) -> None:
        self._pool.leases.bad_requests[refusal.reason] += 1
        self._release()
        self._answer(refusal.status, refusal.reason, refusal.fields)

    def _end_without(self, reason: ErrorReason) -> None:
        self._release()
        super()._end_without(reason)

    def _release(self) -> None:
        if self._is_counted:
            self._is_counted = False
            self._guards.release(self._address)
