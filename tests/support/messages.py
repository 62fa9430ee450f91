"""Requests and responses, byte for byte."""

from __future__ import annotations

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


def get(path: str, *lines: str) -> bytes:
    return "\r\n".join((f"GET {path} HTTP/1.1", "Host: a", *lines, "", "")).encode("latin-1")


def post(body: bytes, length: int | None = None) -> bytes:
    """A request with a body; with a `length` of its own, it promises more or less than it brings."""
    return (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (len(body) if length is None else length) + body
    )


def put(body: bytes) -> bytes:
    return post(body).replace(b"POST", b"PUT")


def ok(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def forwarded(host: bytes = b"a") -> bytes:
    """The lines that tell a backend of a client on this machine."""
    return (
        b"Via: 1.1 composectl\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: %b\r\n"
        % host
    )


def identity(address: str) -> bytes:
    """The line that names the backend to the client."""
    return f"X-Internal-Service: {address}\r\n".encode()


def status(head: bytes) -> int:
    return int(head.split(b" ")[1])
