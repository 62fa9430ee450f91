"""Caches of heads, by their bytes: one that comes again is not parsed again. All are forgotten each second.

A head has a new `Date` each second anyway. A secret of a client stays in memory for a second more at most.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeVar

from composectl.proxy.head import Fields, RequestHead, ResponseHead
from composectl.proxy.request_id import request_id_line, request_id_of

_BLANK_LINE: Final = b"\r\n\r\n"
_MOST: Final = 128
_LONGEST: Final = 2 * 1024  # bytes
_FEW: Final = 128  # in a second
_MISSES_PER_HIT: Final = 3  # at most
_OFF_SECONDS: Final = 10
_WITHOUT_BODY: Final = (204, 304)
_Head = TypeVar("_Head")


class Admission:
    """Admits to a cache what comes for the second time. `enabled`: hits are frequent enough to be looked for.

    The heads of clients that trace their requests never come again, and to look for them costs a sixth of a request.
    """

    __slots__ = ("_off_seconds", "_seen_once", "enabled", "hits", "misses")

    def __init__(self) -> None:
        self.enabled = True
        self.hits = self.misses = 0
        self._seen_once: set[bytes] = set()
        self._off_seconds = 0

    def admits(self, data: bytes) -> bool:
        """Whether it has come before, and not too long ago."""
        if data in self._seen_once:
            return True
        if len(self._seen_once) >= _MOST:
            self._seen_once.clear()
        self._seen_once.add(data)
        return False

    def second_passed(self) -> None:
        self._off_seconds -= 1
        if self.enabled and self.misses > max(_FEW, self.hits * _MISSES_PER_HIT):
            self.enabled, self._off_seconds = False, _OFF_SECONDS
        elif self._off_seconds <= 0:
            self.enabled = True
        self.hits = self.misses = 0
        self._seen_once.clear()


class HeadCache(Generic[_Head]):
    """What heads were read as, of those that came more than once within this second."""

    __slots__ = ("_heads", "admission")

    def __init__(self) -> None:
        self._heads: dict[bytes, _Head] = {}
        self.admission = Admission()

    def find(self, data: bytes) -> _Head | None:
        """That of `data`, which is not hashed where it is too long."""
        found = self._heads.get(data) if len(data) <= _LONGEST else None
        if found is None:
            self.admission.misses += 1
        return found

    def put(self, data: bytes, head: _Head) -> None:
        if len(self._heads) >= _MOST:
            self._heads.clear()
        self._heads[data] = head

    def clear(self) -> None:
        """Forget all of them."""
        self._heads.clear()

    def second_passed(self) -> None:
        self.clear()
        self.admission.second_passed()


class CachedRequest:
    """What a head without a body was read as; `fields` as it has them.

    `forwarding` and `server_name` are those of the connection on which it came. `service`: which one of the services
    of its listener it is for.
    """

    __slots__ = ("_after_id", "_before_id", "_head", "fields", "forwarding", "server_name", "service")

    def __init__(
        self,
        data: bytes,
        head: RequestHead,
        fields: Fields,
        forwarding: bytes,
        server_name: bytes,
        service: int,
    ) -> None:
        self._head = head
        self._before_id = self._after_id = b""  # of a request that came without an ID
        if head.id_line and request_id_of(head.id_line) not in data:
            self._before_id, _, self._after_id = head.data.partition(head.id_line)
        self.fields = fields
        self.forwarding = forwarding
        self.server_name = server_name
        self.service = service

    def head(self, make_id: Callable[[], bytes] | None) -> RequestHead:
        """That of another request."""
        if make_id is None or not self._before_id:
            return self._head
        id_line = request_id_line(make_id())
        return self._head.with_id(id_line, b"".join((self._before_id, id_line, self._after_id)))


class RequestHeadCache(HeadCache[CachedRequest]):
    """Those of all clients of a listener."""

    __slots__ = ()

    def get(self, data: bytes, forwarding: bytes, server_name: bytes) -> CachedRequest | None:
        """Where all of `data` is one of them, on such a connection."""
        cached = self.find(data)
        if cached is None or cached.forwarding != forwarding or cached.server_name != server_name:
            return None
        self.admission.hits += 1
        return cached

    def admits(self, data: bytes, head: RequestHead) -> bool:
        """Whether `data`, which was read as this head, is to be put: no body follows it, and others may follow."""
        if len(data) > _LONGEST or not self.admission.admits(data):
            return False
        return head.keep_alive and not (head.framing or head.upgrade or head.pin or head.http_1_0)


class ResponseHeadCache(HeadCache[ResponseHead]):
    """Those of a backend, in HTTP/1.1, which came with a whole body."""

    __slots__ = ()

    def get(self, start: bytes, size: int) -> ResponseHead | None:
        """The head that `start` is, where it has a body of `size` bytes."""
        head = self.find(start)
        if head is None or head.size != size:
            return None
        self.admission.hits += 1
        return head

    def admits(self, start: bytes, size: int, head: ResponseHead) -> bool:
        """Whether `start` is to be put: with `size` bytes behind it, it was one response, and others may follow."""
        if head.length is None or head.chunked or len(start) > _LONGEST or not self.admission.admits(start):
            return False
        head.size = int(head.length)
        return head.size == size and head.status not in _WITHOUT_BODY


def start_of(data: bytes) -> bytes:
    """Its head, with the blank line that ends it; empty where it has none."""
    at = data.find(_BLANK_LINE)
    return data[: at + len(_BLANK_LINE)] if at >= 0 else b""
