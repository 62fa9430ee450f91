"""Who may ask the dashboard, and for what: decided on a request's head alone."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from composectl.control.http_server import is_ours

_READING = frozenset({"GET", "HEAD"})
_BEARER = "Bearer "


@dataclass(frozen=True, slots=True)
class Guard:
    """`named`: what was asked for as the host to listen on. `token`: gives orders; None where nobody may."""

    named: str
    token: str | None = None

    def refusal(self, method: str, headers: Mapping[str, str]) -> HTTPStatus | None:
        """Why this request is not for us, as a status; None where it may go on.

        Orders come from our own page alone: a page of another site can send them here, but neither as this origin
        (RFC 6454) nor with the token.
        """
        host = headers.get("Host", "")
        if not is_ours(host, self.named):
            return HTTPStatus.MISDIRECTED_REQUEST
        if method in _READING:
            return None
        if self.token is None:
            return HTTPStatus.METHOD_NOT_ALLOWED
        if headers.get("Origin", "").lower() != f"http://{host.lower()}":
            return HTTPStatus.FORBIDDEN
        return None if self.knows(headers) else HTTPStatus.UNAUTHORIZED

    def knows(self, headers: Mapping[str, str]) -> bool:
        """Whether the token comes with it; how long that takes tells nothing of the token."""
        given = headers.get("Authorization", "").encode(errors="surrogateescape")
        return self.token is not None and hmac.compare_digest(given, (_BEARER + self.token).encode())
