"""A port for plain HTTP at which each request is sent on to HTTPS (RFC 9110, section 15.4.9)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, cast

from composectl.proxy.http1.encoding import http_date
from composectl.proxy.limits import ConnectionLimit

_MAX_HEAD: Final = 16_384
_SECONDS: Final = 10
_HTTPS: Final = 443
_CHALLENGE: Final = b"/.well-known/acme-challenge/"  # RFC 8555, section 8.3
_REQUEST: Final = re.compile(rb"(?:\r\n)*[!#$%&'*+.^_`|~0-9A-Za-z-]+ (/[!-~]*|\*|https?://[!-~]+) HTTP/1\.[01]\r\n")
_HOST: Final = re.compile(
    rb"\r\nhost:[ \t]*([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?[ \t]*(?=\r\n)", re.IGNORECASE
)
_ABSOLUTE: Final = re.compile(rb"\Ahttps?://[^/?#]*")


class HttpsRedirect:
    """Makes a connection for each client; `port` is where HTTPS is.

    `answer` gives the body for the token of a challenge, None for a token that is not known.
    """

    def __init__(
        self,
        port: Callable[[], int],
        connection_limit: ConnectionLimit,
        answer: Callable[[str], str | None] = lambda token: None,
    ) -> None:
        self._port = port
        self._limit = connection_limit
        self._answer = answer
        self._connections: set[_Connection] = set()
        self.empty = asyncio.Event()
        self.empty.set()

    def __call__(self) -> asyncio.Protocol:
        self._limit.acquire()
        return _Connection(self)

    def sweep(self) -> None:
        """To be called once a second."""
        for connection in list(self._connections):
            connection.sweep()

    def close(self) -> None:
        """End all connections."""
        for connection in list(self._connections):
            connection.abort()

    def response(self, head: bytes) -> bytes:
        """The answer to a request with this head."""
        request, hosts = _REQUEST.match(head), _HOST.findall(head)
        if request is None or len(hosts) != 1:
            return _response(HTTPStatus.BAD_REQUEST)
        target = _ABSOLUTE.sub(b"", request[1])
        if target.startswith(_CHALLENGE) and (body := self._answer(target[len(_CHALLENGE) :].decode())) is not None:
            return _response(HTTPStatus.OK, body=body.encode())
        port = self._port()
        authority = hosts[0] if port == _HTTPS else b"%b:%d" % (hosts[0], port)
        path = target if target.startswith(b"/") else b"/" + target.lstrip(b"*")
        return _response(HTTPStatus.PERMANENT_REDIRECT, b"Location: https://%b%b\r\n" % (authority, path))

    # The connections' side

    def opened(self, connection: _Connection) -> None:
        self._connections.add(connection)
        self.empty.clear()

    def closed(self, connection: _Connection) -> None:
        self._connections.discard(connection)
        self._limit.release()
        if not self._connections:
            self.empty.set()


# Private


class _Connection(asyncio.Protocol):
    """One request, and the answer to it; what comes behind its head is thrown away."""

    _transport: asyncio.Transport

    def __init__(self, redirect: HttpsRedirect) -> None:
        self._redirect = redirect
        self._head = bytearray()
        self._is_answered = False
        self._seconds = 0

    def sweep(self) -> None:
        self._seconds += 1
        if self._seconds > _SECONDS:
            self.abort()

    def abort(self) -> None:
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._redirect.opened(self)

    def data_received(self, data: bytes) -> None:
        if self._is_answered:
            return
        self._head += data
        end = self._head.find(b"\r\n\r\n")
        if end >= 0:
            self._send(self._redirect.response(bytes(self._head[: end + 4])))
        elif len(self._head) > _MAX_HEAD:
            self._send(_response(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE))

    def connection_lost(self, error: Exception | None) -> None:
        self._redirect.closed(self)

    def _send(self, response: bytes) -> None:
        self._is_answered = True
        self._transport.write(response)
        self._transport.write_eof()  # the client closes: to close with bytes unread would take the answer away


def _response(status: HTTPStatus, line: bytes = b"", body: bytes = b"") -> bytes:
    text = body or f"{status} {status.phrase}\n".encode()
    return b"HTTP/1.1 %d %b\r\n%bContent-Type: text/plain\r\nContent-Length: %d\r\nDate: %b\r\n%b\r\n%b" % (
        status,
        status.phrase.encode(),
        line,
        len(text),
        http_date(),
        b"Connection: close\r\n",
        text,
    )
