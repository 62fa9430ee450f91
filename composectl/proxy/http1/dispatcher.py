"""Directs the requests of a client to the upstreams of a service, and begins their exchanges."""

from __future__ import annotations

from dataclasses import dataclass

from composectl.proxy.access_log_format import AccessRecord
from composectl.proxy.client_stream import ClientStream
from composectl.proxy.errors import BadMessage
from composectl.proxy.exchange import Exchange
from composectl.proxy.guarded_exchange import GuardedExchange
from composectl.proxy.head import Fields, RequestHead, request_head
from composectl.proxy.http1.head_cache import CachedRequest
from composectl.proxy.limits import check_head
from composectl.proxy.listener_context import ListenerContext
from composectl.proxy.peer import Peer
from composectl.proxy.request_id import request_id_line
from composectl.proxy.router import Router
from composectl.proxy.upstreams import Upstreams


@dataclass
class Rejection:
    """What the last request of a client, which is not valid, is answered with; `to_head`: a HEAD was asked."""

    message: BadMessage
    to_head: bool
    id_line: bytes
    record: AccessRecord | None


class Dispatcher:
    """They go to `upstreams`, unless a `router` directs them; `limits`: those of the service of the last request."""

    __slots__ = (
        "_client",
        "_guards",
        "_head_cache",
        "_log",
        "_make_id",
        "_peer",
        "_request_edits",
        "_router",
        "_server_name",
        "_session_fields",
        "_upstream",
        "_upstreams",
        "limits",
    )

    _peer: Peer

    def __init__(
        self, context: ListenerContext, client: ClientStream, upstreams: Upstreams, router: Router | None
    ) -> None:
        self._client = client
        self._upstreams = upstreams
        self._router = router
        self._make_id = context.make_id
        self._log = context.log
        self._head_cache = context.request_heads

    def begin(self, peer: Peer, server_name: bytes) -> None:
        """A connection of the client, which has named the server so by TLS, has been opened."""
        self._peer = peer
        self._server_name = server_name
        self._use(self._upstreams)

    def dispatch(
        self, method: bytes, target: bytes, version: str, fields: Fields, data: bytes, *, keep_alive: bool
    ) -> Exchange:
        """The exchange of a request; `data`: its whole head as it came, or nothing. Raises BadMessage."""
        peer = self._peer
        forwarding, host = peer.forwarding, b""
        if peer.is_read:
            forwarding, host = peer.read(fields)
        head = request_head(method, target, version, fields, forwarding, host, self._make_id, keep_alive)
        service = 0
        if self._router is not None:
            upstreams = self._router.direct(head, self._server_name)
            service = self._router.upstreams.index(upstreams)
            self._use(upstreams)
        if self._request_edits is not None:
            head.edit(self._request_edits)
        if self.limits is not None:
            check_head(head, self.limits)
        if head.pin:
            head.pin = peer.allowed_pin(head.pin, fields)
        if self._session_fields is not None and not head.pin:
            head.session = self._session_fields.read(head.fields)
        cache = self._head_cache
        if data and cache.admission.enabled and cache.admits(data, head):
            cache.put(data, CachedRequest(data, head, fields, peer.forwarding, self._server_name, service))
        return self._begin(head, version, fields)

    def find(self, data: bytes) -> CachedRequest | None:
        """The request that `data` is, if one as this came before."""
        cache = self._head_cache
        return cache.get(data, self._peer.forwarding, self._server_name) if cache.admission.enabled else None

    def dispatch_cached(self, cached: CachedRequest) -> Exchange:
        """The exchange of a request that is as one before."""
        if self._router is not None:
            self._use(self._router.upstreams[cached.service])
        return self._begin(cached.head(self._make_id), "1.1", cached.fields)

    def reject(self, message: BadMessage, method: bytes, target: bytes, version: str) -> Rejection:
        """The rejection of a request that is not valid, of whose head so much is known."""
        self._upstream.pool.leases.bad_requests[message.reason] += 1
        id_line = b"" if self._make_id is None else request_id_line(self._make_id())
        record = self._make_record(method, target, version, id_line, [])
        return Rejection(message, method == b"HEAD", id_line, record)

    def reject_body(self, message: BadMessage, exchange: Exchange) -> Rejection:
        """The rejection of a request whose body is not valid: the backend must not take it for a whole one."""
        self._upstream.pool.leases.bad_requests[message.reason] += 1
        request = exchange.request
        return Rejection(
            message, request.method == b"HEAD", b"" if self._make_id is None else request.id_line, exchange.cancel()
        )

    # Private

    def _use(self, upstreams: Upstreams) -> None:
        """The next request goes there."""
        self._upstream = upstream = upstreams.http1
        self.limits = upstreams.limits
        self._session_fields = upstream.session_fields
        self._guards = upstream.guards
        self._request_edits = upstream.request_edits

    def _begin(self, head: RequestHead, version: str, fields: Fields) -> Exchange:
        """`fields`: those of the client."""
        record, guards = self._make_record(head.method, head.target, version, head.id_line, fields), self._guards
        if guards is None:
            return Exchange(self._client, self._upstream, head, record)
        client, authorization = self._peer.client_of(fields), guards.authorization_in(fields)
        return GuardedExchange(self._client, self._upstream, head, record, guards, client, authorization)

    def _make_record(
        self, method: bytes, target: bytes, version: str, id_line: bytes, fields: Fields
    ) -> AccessRecord | None:
        if self._log is None:
            return None
        service, port = self._upstream.pool.service, self._upstream.connections.port
        headers = self._log.logged_headers(fields)
        return AccessRecord(service, port, self._client.address, method, target, version, id_line, headers)
