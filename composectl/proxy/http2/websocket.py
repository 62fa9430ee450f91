"""WebSocket over HTTP/2 (RFC 8441), and as the Upgrade of HTTP/1.1 that it stands for (RFC 6455, section 4)."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha1
from secrets import token_bytes
from typing import Final

from composectl.proxy.errors import ErrorReason
from composectl.proxy.head import ResponseHead
from composectl.proxy.http2.request import StreamRequest, StreamRequestHead

_KEY_SIZE: Final = 16
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_ACCEPT: Final = b"sec-websocket-accept"


class WebSocketHead(StreamRequestHead):
    """The request for one WebSocket; towards HTTP/1.1 it has a key, for which the backend must give `accept`."""

    __slots__ = ("_key_line", "accept")

    def __init__(self, request: StreamRequest, id_line: bytes) -> None:
        super().__init__(request, id_line)
        key = b64encode(token_bytes(_KEY_SIZE))
        self._key_line = b"Sec-WebSocket-Key: %b\r\n" % key
        self.accept = b64encode(sha1(key + _GUID, usedforsecurity=False).digest())
        self.upgrade = request.head.upgrade
        self.data = b""
        self.has_host = False  # `data_for` puts the key in

    def data_for(self, authority: bytes) -> bytes:
        return super().data_for(authority)[:-2] + self._key_line + b"\r\n"

    def accepts_switch(self, head: ResponseHead) -> bool:
        given = [value for name, value in head.fields if name.lower() == _ACCEPT]
        return given == [self.accept] and super().accepts_switch(head)


def switched_head(head: ResponseHead) -> ResponseHead:
    """The final head for the client, of a backend's 101, or of its 2xx in HTTP/2."""
    fields = [field for field in head.fields if field[0].lower() != _ACCEPT]
    return _with_status(200, head, fields)


def refused_head(head: ResponseHead) -> ResponseHead:
    """What becomes of a 2xx that switches to nothing: for the client it would be the start of the WebSocket."""
    return _with_status(502, head, [*head.fields, (b"x-composectl-error", ErrorReason.UPGRADE_REFUSED.encode())])


# Private


def _with_status(status: int, head: ResponseHead, fields: list[tuple[bytes, bytes]]) -> ResponseHead:
    length = head.length if status != 200 else None
    return ResponseHead(status, b"", fields, length, False, False, head.date, head.id_line, b"", head.backend_line)
