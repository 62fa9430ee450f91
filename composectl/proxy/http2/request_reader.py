"""Reads the requests of one client of HTTP/2, of which most have most of their fields in common."""

from __future__ import annotations

from typing import Final

from composectl.proxy.errors import BadMessage, ErrorReason
from composectl.proxy.guards import is_authorization
from composectl.proxy.head import MAX_FIELDS, MAX_HEAD, Fields
from composectl.proxy.http2.field_table import Field, size_of
from composectl.proxy.http2.frames import PROTOCOL_ERROR, StreamError
from composectl.proxy.http2.request import StreamRequest, is_plain, read_request
from composectl.proxy.limits import check_head
from composectl.proxy.peer import Peer
from composectl.proxy.router import Router
from composectl.proxy.upstreams import Upstreams

_MEMO_SIZE: Final = 64
_MEMO_HEAD_SIZE: Final = 4 * 1024
_SEEN_SIZE: Final = 512
_BODYLESS: Final = (b"", b"")  # in a key: the stream ends with its head


class RequestReader:
    """A field that comes for the first time, and that the proxy hands on as it is, becomes an extra of the request.

    So a deadline or a trace that is another one in each request leaves the rest of the head to be remembered.
    They go to `upstreams`, unless a `router` directs them; the client has named the server `server_name` by TLS.
    """

    __slots__ = (
        "_edits",
        "_has_guards",
        "_make_ids",
        "_peer",
        "_remembered",
        "_router",
        "_seen",
        "_server_name",
        "_upstreams",
    )

    def __init__(
        self, peer: Peer, upstreams: Upstreams, router: Router | None, server_name: bytes = b"", *, make_ids: bool
    ) -> None:
        self._server_name = server_name
        self._peer = peer
        self._upstreams = upstreams
        self._router = router
        every = [upstreams] if router is None else router.upstreams
        self._edits = [one.http2.request_edits for one in every if one.http2.request_edits is not None]
        self._has_guards = any(one.http2.guards is not None for one in every)
        self._make_ids = make_ids
        self._seen: set[int] = set()  # hashes: fields kept here would set off the garbage collector
        self._remembered: dict[tuple[Field, ...], StreamRequest] = {}

    def read(self, fields: Fields, *, end_stream: bool) -> StreamRequest:
        """The request of these fields: see `read_request`."""
        common, extras = self._divide(fields)
        key = (*common, _BODYLESS) if end_stream else tuple(common)
        request = self._remembered.get(key)
        if request is None:
            request = self._read(common, end_stream=end_stream)
            if len(request.head.data) <= _MEMO_HEAD_SIZE:
                if len(self._remembered) >= _MEMO_SIZE:
                    self._remembered.clear()
                self._remembered[key] = request
        if not extras:
            return request
        if len(request.head.fields) + len(extras) > MAX_FIELDS:
            raise BadMessage(431, ErrorReason.TOO_MANY_FIELDS)
        if len(request.head.data) + sum([size_of(field) for field in extras]) > MAX_HEAD:
            raise BadMessage(431, ErrorReason.HEAD_TOO_LARGE)
        if request.has_any_of(extras):  # several fields of one name are in their order
            return self._read(fields, end_stream=end_stream)
        return request.with_extras(extras)

    # Private

    def _divide(self, fields: Fields) -> tuple[Fields, Fields]:
        """Those that came before or mean something here, and those that are new and mean nothing here."""
        seen = self._seen
        is_watched = self._has_guards or bool(self._edits)
        common: Fields = []
        extras: Fields = []
        for field in fields:
            if extras and field[0].startswith(b":"):
                raise StreamError(PROTOCOL_ERROR, "a pseudo-header behind other fields")
            number = hash(field)
            if number in seen:
                common.append(field)
                continue
            if is_plain(field) and not (is_watched and self._is_watched(field[0])):
                extras.append(field)
            else:
                common.append(field)
            if len(seen) >= _SEEN_SIZE:
                seen.clear()
            seen.add(number)
        return common, extras

    def _is_watched(self, name: bytes) -> bool:
        """Whether fields of this name are edited, or looked at by the guards."""
        return is_authorization(name) or any(edits.concerns(name) for edits in self._edits)

    def _read(self, fields: Fields, *, end_stream: bool) -> StreamRequest:
        forwarding, host = self._peer.forwarding, b""
        if self._peer.is_read:
            forwarding, host = self._peer.read(fields)
        request = read_request(fields, forwarding, host, end_stream=end_stream, make_ids=self._make_ids)
        head, peer, router = request.head, self._peer, self._router
        request.upstreams = upstreams = self._upstreams if router is None else router.direct(head, self._server_name)
        upstream = upstreams.http2
        if upstream.request_edits is not None:
            head.edit(upstream.request_edits)
        if upstream.guards is not None:
            request.client = peer.client_of(fields)
            request.authorization = upstream.guards.authorization_in(fields)
        if head.pin:
            head.pin = peer.allowed_pin(head.pin, fields)
        if upstreams.limits is not None:
            check_head(head, upstreams.limits)
        return request
