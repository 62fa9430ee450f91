"""The backend's side of an exchange, and the exchange as that side sees it."""

from __future__ import annotations

import asyncio

from composectl.balance.backend import Backend
from composectl.proxy.attempts import Attempts
from composectl.proxy.errors import ErrorReason
from composectl.proxy.head import Fields, RequestHead, ResponseHead
from composectl.proxy.limits import Limits


class ResponseReceiver(Attempts):
    """An exchange, as the stream to its backend sees it.

    `uploaded`: the whole request has come. `response_started`: a byte of the response has come from the backend.
    `spliced` changes while the kernel moves the body of the request.
    """

    __slots__ = ("request", "response_started", "spliced", "uploaded")

    request: RequestHead
    response_started: bool
    spliced: int
    uploaded: bool

    @property
    def awaits_backend(self) -> bool:
        """Whether it is the backend's turn."""
        raise NotImplementedError

    def pause_upload(self) -> None:
        """The backend cannot take more of the request now."""

    def resume_upload(self) -> None:
        """The backend takes more again."""

    def widens(self) -> bool:
        """Whether the backend may send more than it may at first before the client takes it."""
        raise NotImplementedError

    def response_target(self) -> asyncio.Transport | None:
        """Where the kernel may write the rest of the response's body; None where it may not."""
        raise NotImplementedError

    def count_spliced(self, received: int, sent: int) -> None:
        """The kernel has moved so many bytes of the bodies."""

    def respond(self, head: ResponseHead | None, body: list[bytes], trailers: Fields | None) -> None:
        """The next part of the response has come: see `ClientStream.send`."""

    def respond_interim(self, head: ResponseHead) -> None:
        """A head that is not the last, or one that switches protocols, has come."""

    def finished(self, status: int) -> None:
        """The response has come whole."""

    def upgraded(self, transport: asyncio.Transport, rest: bytes) -> None:
        """The backend speaks the other protocol from here on; `rest` are its first bytes."""

    def failed(self, reason: ErrorReason, *, reused: bool) -> None:
        """The backend's connection ended before the response did, or the response is invalid."""

    def refused(self) -> None:
        """The backend says that it has not begun with the request (RFC 9113, section 8.7)."""


class BackendStream:
    """The backend's side of an exchange; `shows_end`: its response ends otherwise than with the connection."""

    __slots__ = ()

    shows_end: bool = True

    def start(self, exchange: ResponseReceiver) -> None:
        """The next response belongs to this exchange."""

    def send(self, head: RequestHead | None, body: list[bytes], trailers: Fields | None, *, once: bool) -> bool:
        """Send the next part of the request: `head` is in the first part, and `trailers` are in the last one.

        `once`: the request must not be sent twice. False where the backend had closed, and nothing was sent.
        """
        raise NotImplementedError

    def pause(self) -> None:
        """The client cannot take more of the response now."""

    def resume(self) -> None:
        """The client takes more again."""

    def upload_target(self) -> asyncio.Transport | None:
        """Where the kernel may write the rest of a request's body; None where it may not."""
        return None

    def sweep(self, limits: Limits) -> None:
        """A second has passed: fail the exchange if the backend is silent for too long."""

    def cancel(self) -> None:
        """The response is not wanted any more."""


class BackendStreams:
    """Where an exchange gets a stream to a backend: `port` is None where each backend has a port of its own.

    `may_refuse`: a backend may say that it has not begun with a request. `offer_websockets`: to clients of HTTP/2.
    """

    port: int | None
    may_refuse: bool = False
    offer_websockets: bool = True

    def take(self, backend: Backend) -> BackendStream | None:
        """One that is there already, if any is."""
        raise NotImplementedError

    def take_recent(self, backend: Backend) -> BackendStream | None:
        """One that is there already, and fit for a request that must not be sent twice."""
        raise NotImplementedError

    async def dial(self, backend: Backend) -> BackendStream:
        """A new one. Raises OSError, TimeoutError among them."""
        raise NotImplementedError

    def forget(self, backend: Backend) -> None:
        """Close what is kept to this backend: its address may soon be another's."""

    def sweep(self) -> None:
        """Close what was idle for too long; to be called once a second."""

    def close(self) -> None:
        """Close all that is kept."""
