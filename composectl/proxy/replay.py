"""What was sent of the bodies of requests, kept for another attempt within limits."""

from __future__ import annotations

from typing import Final

_PER_REQUEST: Final = 1024 * 1024


class ReplayLimit:
    """Bounds what is kept of all requests together; `kept` are the bytes now."""

    __slots__ = ("kept", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.kept = 0


PROCESS_LIMIT: Final = ReplayLimit(32 * 1024 * 1024)


class ReplayBuffer:
    """What was sent of the body of one request."""

    __slots__ = ("_limit", "_pieces", "_size")

    def __init__(self, limit: ReplayLimit) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []
        self._size = 0

    def keep(self, pieces: list[bytes]) -> bool:
        """Whether all that was sent is still kept with these; otherwise nothing is."""
        size = sum(map(len, pieces))
        if self._size + size > _PER_REQUEST or self._limit.kept + size > self._limit.limit:
            self.take()
            return False
        self._pieces += pieces
        self._size += size
        self._limit.kept += size
        return True

    def take(self) -> list[bytes]:
        """What is kept, which is kept no longer."""
        pieces, self._pieces = self._pieces, []
        self._limit.kept -= self._size
        self._size = 0
        return pieces
