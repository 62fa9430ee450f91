"""How h11, which shares no line with us, reads the bytes of a connection."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import h11

_ENOUGH = 1 << 20
_HEAD = re.compile(rb"[^\r\n]+\r\n(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+: [^\r\n\0]*\r\n)*\r\n")
# What we take and h11 does not: several spaces (RFC 9112, section 3), and any number of zeros before a length.
_SPACES = re.compile(rb"\A([!#$%&'*+.^_`|~0-9A-Za-z-]+) +([\x21-\x7e]+) +(HTTP/)")
_ZEROS = re.compile(rb"(?i)(\ncontent-length:[ \t]*)0+(?=\d)")
# And a space before the extension of a chunk (RFC 9112, section 7.1.1).
h11._readers.chunk_header_re = re.compile(rb"(?P<chunk_size>[0-9A-Fa-f]{1,20})[ \t]*(?P<chunk_ext>;.*)?[ \t]*\r\n")
_BLANK_LINE = re.compile(rb"\n\r?\n")
Fields = list[tuple[bytes, bytes]]


class End(StrEnum):
    """How a connection ends behind its last whole message."""

    WHOLE = "whole"  # between two messages
    PARTIAL = "partial"  # within one
    BAD = "bad"  # with what is no message
    LAST = "last"  # by the wish of the last message
    SWITCHED = "switched"  # in another protocol


@dataclass
class Request:
    """A whole request."""

    method: bytes
    target: bytes
    version: bytes
    fields: Fields
    body: bytes = b""
    trailers: Fields = field(default_factory=list)


@dataclass
class Response:
    """A whole response, with the statuses of the interim ones before it."""

    status: int
    reason: bytes
    fields: Fields
    body: bytes = b""
    trailers: Fields = field(default_factory=list)
    interim: list[int] = field(default_factory=list)

    def field(self, name: bytes) -> bytes | None:
        """The value of the only field of this name."""
        return only(self.fields, name)


def read_requests(data: bytes) -> tuple[list[Request], End, Request | None]:
    """The whole requests that a client has sent, what follows them, and the one of which no more than the head came."""
    requests: list[Request] = []
    while data := data.lstrip(b"\r\n"):  # RFC 9112, section 2.2
        server = h11.Connection(h11.SERVER, _ENOUGH)
        server.receive_data(_for_h11(data))
        begun: list[Request] = []
        try:
            request = _read_request(server, begun)
        except h11.RemoteProtocolError:
            return requests, End.BAD, begun[0] if begun else None
        if request is None:
            return requests, End.PARTIAL, begun[0] if begun else None
        requests.append(request)
        if ends_after(request):
            return requests, End.LAST, None
        data = server.trailing_data[0]
    return requests, End.WHOLE, None


def ends_after(request: Request) -> bool:
    """RFC 9112, section 9.3; some clients say it to proxies in a field of its own."""
    options = tokens(request.fields, b"connection") + tokens(request.fields, b"proxy-connection")
    return b"close" in options or (request.version == b"1.0" and b"keep-alive" not in options)


def read_responses(
    data: bytes, ended: str, requests: Iterable[Request], *, skips: bytes = b""
) -> tuple[list[Response], End, bytes]:
    """The whole responses to these requests, what follows them, and where another protocol follows its bytes.

    `ended` is "in order" where the connection ended so; `skips` are the bytes that do not count before a response.
    """
    responses: list[Response] = []
    for request in requests:
        interim: list[int] = []
        while data := data.lstrip(skips):
            client = _client_that_asked(request)
            client.receive_data(_for_h11(data))
            if ended == "in order":
                client.receive_data(b"")
            try:
                response = _read_response(client, interim)
            except h11.RemoteProtocolError:
                return responses, End.PARTIAL if _is_cut(client) else End.BAD, data
            if isinstance(response, Response):
                responses.append(response)
            elif response is None:
                return responses, End.PARTIAL, data
            data = client.trailing_data[0]
            if isinstance(response, Response):
                break
        if responses and responses[-1].status == 101:
            return responses, End.SWITCHED, data
    return responses, End.BAD if data else End.WHOLE, data


def tokens(fields: Fields, name: bytes) -> list[bytes]:
    """The members of a list that stands in one or several fields, in small letters."""
    return [item.strip(b" \t").lower() for key, value in fields if key.lower() == name for item in value.split(b",")]


def values(fields: Fields, name: bytes) -> list[bytes]:
    return [value for key, value in fields if key.lower() == name.lower()]


def only(fields: Fields, name: bytes) -> bytes | None:
    found = values(fields, name)
    assert len(found) < 2, (name, found)
    return found[0] if found else None


def is_clean(head: bytes) -> bool:
    """Whether a head is written in the one form that cannot be misread."""
    return _HEAD.fullmatch(head) is not None


# Private


def _events(connection: h11.Connection) -> Iterator[h11.Event]:
    while True:
        event = connection.next_event()
        if event in (h11.NEED_DATA, h11.PAUSED):
            return
        assert isinstance(event, h11.Event)
        yield event


def _for_h11(data: bytes) -> bytes:
    blank = _BLANK_LINE.search(data)
    end = blank.start() if blank else len(data)
    return _ZEROS.sub(rb"\1", _SPACES.sub(rb"\1 \2 \3", data[:end])) + data[end:]


def _read_request(server: h11.Connection, begun: list[Request]) -> Request | None:
    request = None
    for event in _events(server):
        if isinstance(event, h11.Request):
            request = Request(event.method, event.target, event.http_version, event.headers.raw_items())
            begun.append(request)
        elif isinstance(event, h11.Data) and request:
            request.body += event.data
        elif isinstance(event, h11.EndOfMessage) and request:
            request.trailers = list(event.headers.raw_items())
            return request
    return None


def _client_that_asked(request: Request) -> h11.Connection:
    client = h11.Connection(h11.CLIENT, _ENOUGH)
    switch = [("upgrade", "x"), ("connection", "upgrade")] if values(request.fields, b"upgrade") else []
    client.send(h11.Request(method=request.method, target="/", headers=[("host", "a"), *switch]))
    client.send(h11.EndOfMessage())
    return client


def _read_response(client: h11.Connection, interim: list[int]) -> Response | int | None:
    """A final response, the status of an interim one, which is also noted, or None where either is not yet whole."""
    response = None
    for event in _events(client):
        if isinstance(event, h11.InformationalResponse):
            if event.status_code == 101:
                return Response(101, event.reason, event.headers.raw_items(), interim=interim)
            interim.append(event.status_code)
            return event.status_code
        if isinstance(event, h11.Response):
            response = Response(event.status_code, event.reason, event.headers.raw_items(), interim=interim)
        elif isinstance(event, h11.Data) and response:
            response.body += event.data
        elif isinstance(event, h11.EndOfMessage) and response:
            response.trailers = list(event.headers.raw_items())
            return response
    return None


def _is_cut(client: h11.Connection) -> bool:
    return client.their_state is h11.ERROR and not client.trailing_data[0]
