"""The client's side of an exchange, as an exchange sees it."""

from __future__ import annotations

import asyncio

from composectl.balance.backend import Backend
from composectl.proxy.access_log_format import AccessRecord
from composectl.proxy.head import Fields, ResponseHead
from composectl.proxy.tunnel import Tunnel


class ClientStream:
    """The client's side of an exchange.

    `address`: of the client. `responding`: a byte of the response was sent. `upload_paused`: no more of the request is
    read. `aborted`: the proxy ends it before its time.
    """

    __slots__ = ("aborted", "address", "responding", "upload_paused")

    aborted: bool
    address: str
    responding: bool
    upload_paused: bool

    def send(self, head: ResponseHead | None, body: list[bytes], trailers: Fields | None) -> None:
        """Send the next part of the response: `head` is in the first part, and `trailers` are in the last one."""

    def takes_response(self) -> bool:
        """Whether the response may begin to come now."""
        return True

    def widens(self) -> bool:
        """Whether the backend may send more than it may at first before the client takes it."""
        return True

    def response_target(self) -> asyncio.Transport | None:
        """Where the kernel may write the rest of a response's body; None where it may not."""
        return None

    def send_interim(self, head: ResponseHead) -> None:
        """Send a 1xx response."""

    def send_error(self, status: int, reason: str, fields: Fields) -> int:
        """Send a whole response of the proxy itself, with these fields, too; returns the bytes of its body."""
        raise NotImplementedError

    def finished(self) -> None:
        """The response was sent whole."""

    def abort_response(self) -> None:
        """The rest of the response will never come: the client must see that it is not whole."""

    def fail_internally(self, error: Exception) -> None:
        """A bug was met."""

    def pause_upload(self) -> None:
        """Read no more of the request for now."""

    def resume_upload(self) -> None:
        """Read on."""

    def stop_upload(self) -> None:
        """The kernel is to move no more of the request."""

    def detach(self, backend: Backend) -> tuple[asyncio.Transport, bytes]:
        """Give the connection away to a tunnel to this backend, with what the client sent behind its request."""
        raise NotImplementedError

    def tunnel_opened(self, tunnel: Tunnel) -> None:
        """What was detached is relayed by this tunnel."""

    def tunnel_closed(self) -> None:
        """The tunnel has ended."""

    def log_access(self, record: AccessRecord | None, status: int, error: str) -> None:
        """Log how a request has ended, where there is a log: see `AccessRecord.end`."""
