"""Accepts the clients of a listening socket, several at a time."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Final, cast

from composectl.proxy.limits import ConnectionLimit
from composectl.proxy.listener_context import Successor
from composectl.proxy.poller import Poller, Watched, poller
from composectl.proxy.socket_transport import SocketTransport
from composectl.proxy.sockets import is_exhaustion

_AT_ONCE: Final = 16
_RETRY_SECONDS: Final = 1.0


class Acceptor(Watched):
    """Gives each client a connection that `make` makes, and counts it, until it is stopped."""

    def __init__(self, listening: socket.socket, limit: ConnectionLimit, make: Callable[[], Successor]) -> None:
        listening.setblocking(False)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted sockets inherit it
        self._accept: Callable[[], tuple[int, object]] = listening._accept  # type: ignore[attr-defined]
        self._descriptor = listening.fileno()
        self._limit = limit
        self._make = make
        self._poller: Poller = poller()
        self._retry: asyncio.TimerHandle | None = None
        self._is_open = False
        self.start()

    def start(self) -> None:
        self._retry = None
        if not self._is_open:
            self._is_open = True
            self._poller.add(self._descriptor, self, edge=False)

    def stop(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
        if self._is_open:
            self._is_open = False
            self._poller.remove(self._descriptor)

    def ready(self, events: int) -> None:
        for _ in range(_AT_ONCE):
            if not self._is_open:
                return
            try:
                descriptor, address = self._accept()
            except BlockingIOError:
                return
            except OSError as error:
                if is_exhaustion(error):
                    self.stop()
                    self._retry = asyncio.get_running_loop().call_later(_RETRY_SECONDS, self.start)
                    return
                continue  # the client has gone already
            self._limit.acquire()
            os.set_blocking(descriptor, False)
            transport = SocketTransport(self._poller, descriptor, address)
            transport.begin(cast(asyncio.Protocol, self._make()))
