"""Basic authentication (RFC 7617): passwords are checked in threads, and what was right is remembered for a while."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from binascii import Error as BadBase64
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from secrets import token_bytes
from time import monotonic_ns
from typing import Final

from composectl.proxy.errors import ErrorReason
from composectl.proxy.password_file import (
    BadPasswordFile,
    PasswordFile,
    Stamp,
    is_password,
    read_password_file,
    stamp_of,
)
from composectl.proxy.refusal import Refusal, refusal_for
from composectl.proxy.token_buckets import RateLimit, TokenBuckets

_AT_ONCE: Final = 2
_MAX_WAITING: Final = 64
_REMEMBERED: Final = 4096
_REMEMBERED_FOR: Final = 300 * 1_000_000_000
_SCHEME: Final = b"basic "
# Of one client: so many at once, and one more each six seconds
_FAILURES: Final = RateLimit(10, 60, 10)
_AGAIN_SOON: Final = 1

Answer = Callable[[Refusal | None], None]
"""Gets None where the request is admitted."""


@dataclass(frozen=True, slots=True)
class _Check:
    digest: bytes
    user: bytes = field(repr=False)
    password: bytes = field(repr=False)
    client: str


class BasicAuth:
    """The users of one service. `on_trouble` is called with a sentence where the file has changed and cannot be used.

    Nothing is kept of a password but a keyed hash, and that for as long as the file does not change.
    """

    __slots__ = (
        "_checking",
        "_digest_key",
        "_failures",
        "_file",
        "_is_reading",
        "_on_trouble",
        "_refused",
        "_remembered",
        "_running",
        "_seen",
        "_waiting",
    )

    def __init__(self, file: PasswordFile, realm: str, on_trouble: Callable[[str], None], processes: int = 1) -> None:
        self._file = file
        self._seen: Stamp | None = file.stamp
        self._on_trouble = on_trouble
        challenge = f'Basic realm="{realm}", charset="UTF-8"'.encode()
        self._refused = Refusal(401, ErrorReason.UNAUTHORIZED, [(b"WWW-Authenticate", challenge)])
        self._digest_key = token_bytes(32)
        self._remembered: OrderedDict[bytes, int] = OrderedDict()
        self._failures = TokenBuckets(_FAILURES.split(processes))
        self._checking: dict[bytes, list[Answer]] = {}
        self._waiting: deque[_Check] = deque()
        self._running = 0
        self._is_reading = False

    def check(self, authorization: bytes, client: str, answer: Answer) -> None:
        """Tell this client, now or later, what its field `Authorization` is worth."""
        digest = blake2b(authorization, key=self._digest_key, digest_size=16).digest()
        until = self._remembered.get(digest)
        if until is not None and monotonic_ns() < until:
            answer(None)
            return
        credentials = _credentials(authorization)
        if credentials is None:
            answer(self._refused)
        elif digest in self._checking:
            self._checking[digest].append(answer)
        elif len(self._waiting) >= _MAX_WAITING:
            answer(refusal_for(ErrorReason.TOO_MANY_LOGINS, _AGAIN_SOON))
        elif wait := self._failures.take(client, monotonic_ns()):
            answer(refusal_for(ErrorReason.TOO_MANY_LOGINS, wait))
        else:
            self._checking[digest] = [answer]
            self._waiting.append(_Check(digest, *credentials, client))
            self._check_next()

    def sweep(self) -> None:
        """Read the file anew where it has changed; to be called once a second."""
        if not self._is_reading:
            self._is_reading = True
            _threads().submit(self._look, asyncio.get_running_loop())

    # Private

    def _check_next(self) -> None:
        while self._waiting and self._running < _AT_ONCE:
            self._running += 1
            _threads().submit(self._compare, asyncio.get_running_loop(), self._file, self._waiting.popleft())

    def _compare(self, loop: asyncio.AbstractEventLoop, file: PasswordFile, check: _Check) -> None:
        """In a thread. An unknown user takes as long as a known one."""
        hashed = file.hashes.get(check.user)
        is_right = is_password(check.password, hashed or next(iter(file.hashes.values()))) and hashed is not None
        _tell(loop, self._checked, file, check, is_right)

    def _checked(self, file: PasswordFile, check: _Check, is_right: bool) -> None:
        self._running -= 1
        if is_right:
            self._failures.give_back(check.client)
            if file is self._file:
                self._remember(check.digest)
        refusal = None if is_right else self._refused
        for answer in self._checking.pop(check.digest):
            answer(refusal)
        self._check_next()

    def _remember(self, digest: bytes) -> None:
        self._remembered[digest] = monotonic_ns() + _REMEMBERED_FOR
        self._remembered.move_to_end(digest)
        if len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """In a thread: read the file where it is not the one that was read last."""
        stamp = stamp_of(self._file.path)
        found: PasswordFile | str = ""
        if stamp != self._seen:
            try:
                found = read_password_file(self._file.path)
            except BadPasswordFile as bad:
                found = bad.fault
        _tell(loop, self._looked, stamp, found)

    def _looked(self, stamp: Stamp | None, found: PasswordFile | str) -> None:
        self._is_reading = False
        self._seen = stamp
        if isinstance(found, PasswordFile):
            self._file = found
            self._seen = found.stamp
            self._remembered.clear()
        elif found:
            self._on_trouble(f"the password file {self._file.path} {found}; the users of before stay")


# Private


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_AT_ONCE, "basic-auth")


def _tell(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *arguments: object) -> None:
    with suppress(RuntimeError):  # the loop has ended
        loop.call_soon_threadsafe(call, *arguments)


def _credentials(authorization: bytes) -> tuple[bytes, bytes] | None:
    """The user and the password; None where there is none (RFC 7617, section 2)."""
    if authorization[: len(_SCHEME)].lower() != _SCHEME:
        return None
    try:
        user, colon, password = b64decode(authorization[len(_SCHEME) :].strip(b" "), validate=True).partition(b":")
    except (BadBase64, ValueError):
        return None
    return (user, password) if colon else None
