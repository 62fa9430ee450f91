"""Which requests the dashboard answers, decided on their heads alone."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from composectl.control.http_server import is_allowed_host

_READING = frozenset({"GET", "HEAD"})
_BEARER = "Bearer "
_API = "/v1/"
_FOREIGN_SITES = frozenset({"cross-site", "same-site"})  # another port of this machine is the same site


@dataclass(frozen=True, slots=True)
class DashboardAuth:
    """`host`: what was asked for as the host to listen on. `token`: allows commands; None where there are none."""

    host: str
    token: str | None = None

    def rejection(self, method: str, path: str, headers: Mapping[str, str]) -> HTTPStatus | None:
        """The status with which the request is rejected; None where it is allowed.

        Pages of other sites may lead here, and request nothing else. Commands come from the dashboard's own page
        alone: another page can send them here, but neither as this origin (RFC 6454) nor with the token.
        """
        host = headers.get("Host", "")
        if not is_allowed_host(host, self.host):
            return HTTPStatus.MISDIRECTED_REQUEST
        is_link = headers.get("Sec-Fetch-Mode") == "navigate" and not path.startswith(_API)
        if _is_foreign(headers, host) and not (is_link and method in _READING):
            return HTTPStatus.FORBIDDEN
        if method in _READING:
            return None
        if self.token is None:
            return HTTPStatus.METHOD_NOT_ALLOWED
        if headers.get("Origin", "").lower() != f"http://{host.lower()}":
            return HTTPStatus.FORBIDDEN
        return None if self.has_token(headers) else HTTPStatus.UNAUTHORIZED

    def has_token(self, headers: Mapping[str, str]) -> bool:
        """Whether the token comes with it, in a time that does not depend on the token."""
        authorization = headers.get("Authorization", "").encode(errors="surrogateescape")
        return self.token is not None and hmac.compare_digest(authorization, (_BEARER + self.token).encode())


# Private


def _is_foreign(headers: Mapping[str, str], host: str) -> bool:
    """Whether a browser says that another page has sent this (Fetch Metadata, RFC 6454); programs say nothing."""
    origin = headers.get("Origin")
    if origin is not None and origin.lower().partition("://")[2] != host.lower():
        return True
    return headers.get("Sec-Fetch-Site") in _FOREIGN_SITES
