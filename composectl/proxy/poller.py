"""Sockets that the loop does not watch itself: an epoll of their own stands for all of them in it (epoll(7), Linux)."""

from __future__ import annotations

import asyncio
import select
from typing import Final
from weakref import WeakKeyDictionary

CAN_POLL: Final = hasattr(select, "epoll")
_EDGE: Final[int] = getattr(select, "EPOLLET", 0)
READABLE: Final[int] = getattr(select, "EPOLLIN", 0) | getattr(select, "EPOLLRDHUP", 0)
WRITABLE: Final[int] = getattr(select, "EPOLLOUT", 0)
_AT_ONCE: Final = 64  # events, before the loop goes on with others


class Watched:
    """Has a descriptor, and is told when that may be read or written."""

    __slots__ = ()

    def ready(self, events: int) -> None:
        """The descriptor has become readable, writable, or both; it may also turn out not to be."""

    def end(self) -> None:
        """What it has asked for by `end_soon`."""


class Poller:
    """Tells of each change once (EPOLLET), so that nothing is to be said while a side neither pauses nor waits."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        # Without a reference to its loop, which `_POLLERS` would then keep for ever.
        self._epoll = select.epoll()
        self._watched: dict[int, Watched] = {}
        self._ending: list[Watched] = []
        self._is_polling = False
        loop.add_reader(self._epoll.fileno(), self._poll)

    def add(self, descriptor: int, watched: Watched, *, edge: bool = True) -> None:
        """Tell `watched` when the descriptor may be read; without `edge` for as long as it may."""
        self._watched[descriptor] = watched
        self._epoll.register(descriptor, READABLE | _EDGE if edge else READABLE)

    def change(self, descriptor: int, events: int) -> None:
        """Tell of these events alone from now on, and at once of those that are there."""
        self._epoll.modify(descriptor, events | _EDGE)

    def remove(self, descriptor: int) -> None:
        """Tell nothing more of it."""
        if self._watched.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def forget(self, descriptor: int) -> None:
        """The descriptor is about to be closed, and has no copy."""
        self._watched.pop(descriptor, None)

    def end_soon(self, watched: Watched) -> None:
        """Call its `end`, but not from within what calls this."""
        if not (self._ending or self._is_polling):
            asyncio.get_running_loop().call_soon(self._end_all)
        self._ending.append(watched)

    # Private

    def _poll(self) -> None:
        self._is_polling = True
        watched = self._watched
        try:
            for descriptor, events in self._epoll.poll(0, _AT_ONCE):
                found = watched.get(descriptor)
                if found is not None:
                    try:
                        found.ready(events)
                    except Exception as error:  # no other may miss its own
                        asyncio.get_running_loop().call_exception_handler({"message": "a bug", "exception": error})
        finally:
            self._is_polling = False
            if self._ending:
                self._end_all()

    def _end_all(self) -> None:
        while self._ending:
            ending, self._ending = self._ending, []
            for watched in ending:
                watched.end()


def poller() -> Poller:
    """The one of the running loop."""
    loop = asyncio.get_running_loop()
    found = _POLLERS.get(loop)
    if found is None:
        found = _POLLERS[loop] = Poller(loop)
    return found


# Private


_POLLERS: Final = WeakKeyDictionary[asyncio.AbstractEventLoop, Poller]()
