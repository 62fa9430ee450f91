"""Heads that came before: the same bytes mean the same, and are not parsed again. All are forgotten each second.

A head has a new `Date` each second anyway, and no secret of a client stays in memory for longer than its connection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from composectl.proxy.head import Fields, RequestHead, ResponseHead
from composectl.proxy.request_id import request_id_line

_BLANK_LINE: Final = b"\r\n\r\n"
_MOST: Final = 128
_LONGEST: Final = 2 * 1024  # bytes
_FEW: Final = 128  # in a second
_NEW_FOR_ONE: Final = 3  # that is found, at most
_REST_SECONDS: Final = 10
_WITHOUT_BODY: Final = (204, 304)


class KnownRequest:
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
        if head.id_line and head.id_line.split()[1] not in data:
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


class KnownRequests:
    """The heads of requests that all clients of a listener have sent more than once within this second."""

    __slots__ = ("_known", "met")

    def __init__(self) -> None:
        self._known: dict[bytes, KnownRequest] = {}
        self.met = Met()

    def find(self, data: bytes, forwarding: bytes, server_name: bytes) -> KnownRequest | None:
        """Where all of `data` is one of them, on such a connection."""
        known = self._known.get(data)
        if known is None or known.forwarding != forwarding or known.server_name != server_name:
            return None
        self.met.found += 1
        return known

    def add(
        self,
        data: bytes,
        head: RequestHead,
        fields: Fields,
        forwarding: bytes,
        server_name: bytes,
        service: int,
    ) -> None:
        """`data` was read as this head: see `KnownRequest`. It counts where no body follows, and others may follow."""
        if len(data) > _LONGEST or not self.met.again(data):
            return
        if head.framing or head.upgrade or head.pin or head.http_1_0 or not head.keep_alive:
            return
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[data] = KnownRequest(data, head, fields, forwarding, server_name, service)

    def second_passed(self) -> None:
        """Forget all of them."""
        self._known.clear()
        self.met.second_passed()


class KnownResponses:
    """The heads that a backend has sent more than once within this second, in HTTP/1.1, with a whole body."""

    __slots__ = ("_known", "met")

    def __init__(self) -> None:
        self._known: dict[bytes, ResponseHead] = {}
        self.met = Met()

    def find(self, start: bytes, size: int) -> ResponseHead | None:
        """The head that `start` is, where it has a body of `size` bytes."""
        head = self._known.get(start)
        if head is None or head.size != size:
            return None
        self.met.found += 1
        return head

    def add(self, start: bytes, size: int, head: ResponseHead) -> None:
        """`start`, with `size` bytes behind it, was read as one response, not to HEAD, and its connection goes on."""
        if head.length is None or head.chunked or len(start) > _LONGEST or not self.met.again(start):
            return
        head.size = int(head.length)
        if head.size != size or head.status in _WITHOUT_BODY:
            return
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[start] = head

    def second_passed(self) -> None:
        """Forget all of them."""
        self._known.clear()
        self.met.second_passed()


class Met:
    """What came once. `found`: how often it came again; `pays`: whether that is often enough to be looked for.

    The heads of clients that trace their requests never come again, and to look for them costs 8 % of a request.
    """

    __slots__ = ("_new", "_once", "_rest", "found", "pays")

    def __init__(self) -> None:
        self.pays = True
        self.found = 0
        self._new = 0
        self._once: set[bytes] = set()
        self._rest = 0  # seconds

    def again(self, data: bytes) -> bool:
        """Whether it has come before, and not too long ago."""
        if data in self._once:
            return True
        self._new += 1
        if len(self._once) >= _MOST:
            self._once.clear()
        self._once.add(data)
        return False

    def second_passed(self) -> None:
        self._rest -= 1
        if self.pays and self._new > max(_FEW, self.found * _NEW_FOR_ONE):
            self.pays, self._rest = False, _REST_SECONDS
        elif self._rest <= 0:
            self.pays = True
        self.found = self._new = 0
        self._once.clear()


def start_of(data: bytes) -> bytes:
    """Its head, with the blank line that ends it; empty where it has none."""
    at = data.find(_BLANK_LINE)
    return data[: at + len(_BLANK_LINE)] if at >= 0 else b""
