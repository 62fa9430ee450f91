"""Where requests tell of their session, a cookie or another field, and the cookie that responses give them."""

from __future__ import annotations

import re
from typing import Final

from composectl.balance.backend import Backend
from composectl.balance.sessions import Sessions
from composectl.proxy.head import Fields, RequestHead, ResponseHead

_COOKIE: Final = b"cookie"
_SET_COOKIE: Final = b"set-cookie"
_BEFORE_COOKIE: Final = b"; \t"
_AROUND_VALUE: Final = b' \t"'
_BY_TLS: Final = re.compile(rb"\r\nX-Forwarded-Proto: https\b", re.IGNORECASE)


class SessionFields:
    """`sessions` are those of the pool."""

    __slots__ = ("sessions",)

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions

    def read(self, fields: Fields, *, is_grpc: bool = False) -> bytes | None:
        """The session of a request with these fields: empty for a new one, None for a request that has none."""
        raise NotImplementedError

    def mark(self, head: ResponseHead, request: RequestHead, backend: Backend) -> ResponseHead:
        """The head by which the client learns of the session that it has at this backend."""
        return head


class HeaderSession(SessionFields):
    """The session is the value of the field `name`, which is in lower case."""

    __slots__ = ("_name",)

    def __init__(self, sessions: Sessions, name: bytes) -> None:
        super().__init__(sessions)
        self._name = name

    def read(self, fields: Fields, *, is_grpc: bool = False) -> bytes | None:
        wanted = self._name
        size = len(wanted)
        for name, value in fields:
            if len(name) == size and name.lower() == wanted:
                return value.strip(b" \t")
        return b""


class CookieSession(SessionFields):
    """The session is the value of a cookie; `_start` is its name and `=`."""

    __slots__ = ("_start",)

    def __init__(self, sessions: Sessions, name: bytes) -> None:
        super().__init__(sessions)
        self._start = name + b"="

    def read(self, fields: Fields, *, is_grpc: bool = False) -> bytes | None:
        for name, value in fields:
            if len(name) == 6 and name.lower() == _COOKIE and (found := _find(value, self._start)):
                return found
        return b""


class ApplicationCookie(CookieSession):
    """One that backends set, or something else."""

    __slots__ = ()

    def mark(self, head: ResponseHead, request: RequestHead, backend: Backend) -> ResponseHead:
        for name, value in head.fields:
            if len(name) == 10 and value.startswith(self._start) and name.lower() == _SET_COOKIE:
                session = _find(value, self._start)
                if session:
                    self.sessions.made(session, backend)
        return head


class OwnCookie(CookieSession):
    """The session is the value of a cookie of the proxy (RFC 6265, section 4.1), which gRPC has no place for."""

    __slots__ = ()

    def read(self, fields: Fields, *, is_grpc: bool = False) -> bytes | None:
        return None if is_grpc else super().read(fields)

    def mark(self, head: ResponseHead, request: RequestHead, backend: Backend) -> ResponseHead:
        session = request.session
        token = b"" if session is None else self.sessions.token_for(session, backend)
        if not token:
            return head
        secure = b"; Secure" if _came_by_tls(request) else b""
        cookie = b"%b%b; Path=/; HttpOnly; SameSite=Lax%b" % (self._start, token, secure)
        return head.with_fields([*head.fields, (b"Set-Cookie", cookie)])


# Private


def _came_by_tls(request: RequestHead) -> bool:
    """Whether the backend is told that the client speaks TLS, to the proxy or to a trusted one before it."""
    return _BY_TLS.search(request.data_for(b"")) is not None


def _find(cookies: bytes, start: bytes) -> bytes:
    """The value of the first cookie that begins with `NAME=`; empty where there is none."""
    at = cookies.find(start)
    while at >= 0:
        if at == 0 or cookies[at - 1 : at] in _BEFORE_COOKIE:
            begin = at + len(start)
            end = cookies.find(b";", begin)
            return (cookies[begin:] if end < 0 else cookies[begin:end]).strip(_AROUND_VALUE)
        at = cookies.find(start, at + 1)
    return b""
