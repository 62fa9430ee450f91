"""The proxy's own responses: short, plain, and never an echo of the request."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from composectl.proxy.head import Fields
from composectl.proxy.http1.encoding import CLOSE

_MORE_LINES: Final = {
    HTTPStatus.METHOD_NOT_ALLOWED: b"Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n",
    HTTPStatus.SERVICE_UNAVAILABLE: b"Retry-After: 1\r\n",
}


def error_page(
    status: int,
    reason: str,
    *,
    date: bytes,
    close: bool,
    body: bool = True,
    id_line: bytes = b"",
    fields: Fields | None = None,
) -> bytes:
    """A whole response; `reason` is for `X-Composectl-Error`; a response to HEAD has no `body`.

    `id_line` is the line with the request's `X-Request-ID`, or empty; `fields` are those that not each page has.
    """
    text = f"{status} {HTTPStatus(status).phrase}\n".encode()
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(text)}\r\n"
        f"Date: {date.decode()}\r\n"
        f"X-Composectl-Error: {reason}\r\n"
    ).encode()
    lines = b"".join([b"%b: %b\r\n" % field for field in fields or ()])
    more = _MORE_LINES.get(HTTPStatus(status), b"") + lines + id_line + (CLOSE if close else b"")
    return head + more + b"\r\n" + (text if body else b"")


def body_size(page: bytes) -> int:
    """The bytes of the body of an `error_page`."""
    return len(page.partition(b"\r\n\r\n")[2])
