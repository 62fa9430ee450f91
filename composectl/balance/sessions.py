"""Sessions: the requests of one client stay with one backend; the policy places only the first of them."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from hashlib import blake2b
from typing import Final

from composectl.balance.backend import Backend
from composectl.balance.phase import Phase
from composectl.balance.policy.policy import Avoid

_READY: Final = Phase.READY  # looked up once
_STAYS: Final = (Phase.MAINTENANCE, Phase.STARTING)
_HALF: Final = 8  # bytes of a token
_TOKEN_DIGITS: Final = 4 * _HALF
_SEED_SIZE: Final = 16
_LONGEST_REMEMBERED: Final = 128
_MOST_REMEMBERED: Final = 16_384


class Sessions:
    """Which backend has a session; `moved` counts those that had to leave theirs.

    A backend in maintenance keeps its sessions for `keep_seconds`. `on_made` is called for each session that a backend
    has made, and that no other process can know.
    """

    __slots__ = ("_keep_seconds", "_kept", "moved", "on_made")

    def __init__(self, keep_seconds: int) -> None:
        self.on_made: Callable[[bytes, Backend], None] | None = None
        self._keep_seconds = keep_seconds
        self._kept: dict[Backend, int] = {}  # the seconds that are left to those in maintenance
        self.moved = 0

    def phase_changed(self, backend: Backend, before: Phase) -> None:
        """To be called after each change of a phase."""
        if backend.phase is _READY:
            self._kept.pop(backend, None)
            self._add(backend)
        elif before is _READY and backend.phase is Phase.MAINTENANCE and self._keep_seconds:
            self._kept[backend] = self._keep_seconds
        elif not (backend in self._kept and backend.phase in _STAYS):
            self._drop(backend)

    def keeps(self, backend: Backend) -> bool:
        """Whether it is in maintenance, and has its sessions all the same."""
        return backend in self._kept

    def sweep(self) -> list[Backend]:
        """A second has passed; the backends that have kept their sessions for long enough."""
        ended = [backend for backend, seconds in self._kept.items() if seconds <= 1]
        for backend in ended:
            self.release(backend)
        for backend in self._kept:
            self._kept[backend] -= 1
        return ended

    def release(self, backend: Backend) -> None:
        """It keeps its sessions no longer."""
        self._drop(backend)

    def find(self, session: bytes, avoid: Avoid = ()) -> Backend | None:
        """The backend of a session, outside `avoid`; None where the policy is to choose one."""
        raise NotImplementedError

    def token_for(self, session: bytes, backend: Backend) -> bytes:
        """What the client has to send from now on, as this backend answers it; empty where nothing changes."""
        return b""

    def made(self, session: bytes, backend: Backend) -> None:
        """The backend has begun this session, and may be the only one that knows it."""

    def remember(self, session: bytes, backend: Backend) -> bool:
        """The backend has begun this session, as another process tells; whether that is news."""
        return False

    def remembered(self) -> list[tuple[bytes, Backend]]:
        """The sessions that backends have made, as far as they are still known."""
        return []

    # Private

    def _drop(self, backend: Backend) -> None:
        self._kept.pop(backend, None)
        self._remove(backend)

    def _add(self, backend: Backend) -> None:
        """It takes sessions from now on."""
        raise NotImplementedError

    def _remove(self, backend: Backend) -> None:
        """It takes none from now on, if it did."""
        raise NotImplementedError


class TokenSessions(Sessions):
    """A session carries the token of its backend, which does not tell which one that is.

    A token is 32 hexadecimal digits: an HMAC of the run of the container, and an HMAC of that, by which one of a
    backend that is gone can be told from one that was made up. All processes with the same `key` make the same ones.
    """

    __slots__ = ("_backends", "_key", "_tokens")

    def __init__(self, key: bytes, keep_seconds: int) -> None:
        super().__init__(keep_seconds)
        self._key = key
        self._backends: dict[bytes, Backend] = {}
        self._tokens: dict[Backend, bytes] = {}

    def find(self, session: bytes, avoid: Avoid = ()) -> Backend | None:
        backend = self._backends.get(session)
        return None if avoid and backend in avoid else backend

    def token_for(self, session: bytes, backend: Backend) -> bytes:
        token = self._tokens.get(backend)
        if token is None or token == session:
            return b""
        if self._is_genuine(session):
            self.moved += 1
        return token

    # Private

    def _add(self, backend: Backend) -> None:
        run = _digest(self._key, f"{backend.replica.id} {backend.replica.started}".encode())
        token = (run + _digest(self._key, run)).hex().encode()
        self._tokens[backend] = token
        self._backends[token] = backend

    def _remove(self, backend: Backend) -> None:
        token = self._tokens.pop(backend, b"")
        if self._backends.get(token) is backend:
            del self._backends[token]

    def _is_genuine(self, session: bytes) -> bool:
        if len(session) != _TOKEN_DIGITS:
            return False
        try:
            token = bytes.fromhex(session.decode("ascii"))
        except ValueError:
            return False
        return hmac.compare_digest(_digest(self._key, token[:_HALF]), token[_HALF:])


class HashedSessions(Sessions):
    """A session belongs to the backend for which its hash is the highest (rendezvous hashing).

    It moves only if its backend went, or if one with a higher hash came. The hashes depend on the name, so that a
    restarted replica gets its sessions back, and on `key`, so that no client can choose a backend. A session that a
    backend has made stays there instead, as long as this process remembers it. O(1) for a session that was seen since
    the last change, else one step for each backend.
    """

    __slots__ = ("_before", "_key", "_made", "_placed", "_seeds")

    def __init__(self, key: bytes, keep_seconds: int) -> None:
        super().__init__(keep_seconds)
        self._key = key
        self._seeds: dict[Backend, bytes] = {}
        self._placed: dict[bytes, Backend] = {}  # since the last change
        self._before: dict[bytes, Backend] = {}  # before it
        self._made: dict[bytes, Backend] = {}  # by these backends

    def find(self, session: bytes, avoid: Avoid = ()) -> Backend | None:
        backend = self._placed.get(session) or self._place(session)
        return self._highest(session, avoid) if avoid and backend in avoid else backend

    def made(self, session: bytes, backend: Backend) -> None:
        if self.remember(session, backend) and self.on_made is not None:
            self.on_made(session, backend)

    def remember(self, session: bytes, backend: Backend) -> bool:
        if len(session) > _LONGEST_REMEMBERED or backend not in self._seeds:
            return False
        is_news = self._made.get(session) is not backend
        if session not in self._made and len(self._made) >= _MOST_REMEMBERED:
            del self._made[next(iter(self._made))]
        self._made[session] = self._placed[session] = backend
        return is_news

    def remembered(self) -> list[tuple[bytes, Backend]]:
        return list(self._made.items())

    # Private

    def _add(self, backend: Backend) -> None:
        self._seeds[backend] = blake2b(backend.replica.name.encode(), key=self._key, digest_size=_SEED_SIZE).digest()
        self._changed()

    def _remove(self, backend: Backend) -> None:
        if self._seeds.pop(backend, None) is not None:
            self._changed()

    def _changed(self) -> None:
        self._before.update(self._placed)
        self._placed = {}
        if len(self._before) > _MOST_REMEMBERED:
            self._before = {}

    def _place(self, session: bytes) -> Backend | None:
        backend = self._made.get(session)
        if backend is None or backend not in self._seeds:
            self._made.pop(session, None)
            backend = self._highest(session, ())
        if backend is not None and len(session) <= _LONGEST_REMEMBERED:
            if self._before.pop(session, backend) is not backend:
                self.moved += 1
            if len(self._placed) >= _MOST_REMEMBERED:
                self._placed = {}
            self._placed[session] = backend
        return backend

    def _highest(self, session: bytes, avoid: Avoid) -> Backend | None:
        highest, found = b"", None
        for backend, seed in self._seeds.items():
            number = blake2b(session, key=seed, digest_size=_HALF).digest()
            if number > highest and backend not in avoid:
                highest, found = number, backend
        return found


# Private


def _digest(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")[:_HALF]
