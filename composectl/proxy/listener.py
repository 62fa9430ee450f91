"""Listening sockets: bound where Docker would have published."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Protocol

from composectl import errors
from composectl.balance.backend import join_address
from composectl.proxy.connection_pool import KEPT_PART
from composectl.proxy.sockets import raise_open_files

# For listeners, sockets of ours, pipes of Compose, and whoever comes in a rush
_RESERVED = 128
_PER_EXCHANGE = 2


class PortTaken(Exception):
    """Every port that would do is in use; `address` is the last one."""

    def __init__(self, address: str, port: int) -> None:
        super().__init__(address)
        self.address = address
        self.port = port


def bind(host: str, ports: Iterable[int]) -> list[socket.socket]:
    """Sockets on the first free of `ports` (0: any): one for each address of `host`, or for IPv4 and for IPv6 if empty.

    Raises PortTaken, or ComposectlError where there is no right or no such address.
    """
    hosts = _addresses(host) if host else ["0.0.0.0", "::"]
    taken: PortTaken | None = None
    for port in ports:
        try:
            return _bind_all(hosts, port)
        except PortTaken as error:
            taken = error
    assert taken is not None
    raise taken


def address_of(listening: socket.socket) -> str:
    """`host:port` of a bound socket."""
    host, port = listening.getsockname()[:2]
    return join_address(host, port)


class Pausable(Protocol):
    """A listening socket."""

    def pause(self) -> None:
        """Accept nobody: the kernel lets them wait."""

    def resume(self) -> None:
        """Accept again."""


class ConnectionLimit:
    """Counts the clients of all its doors; a `limit` of 0 lets nobody in but those in the first rush."""

    def __init__(self, limit: int = sys.maxsize) -> None:
        self.limit = limit
        self._count = 0
        self._paused = False
        self._listeners: set[Pausable] = set()

    @property
    def count(self) -> int:
        """The clients that are connected now."""
        return self._count

    def add(self, listener: Pausable) -> None:
        """Watch over one more listener."""
        self._listeners.add(listener)
        if self._paused:
            listener.pause()

    def remove(self, listener: Pausable) -> None:
        """A listener has been closed for good."""
        self._listeners.discard(listener)

    def acquire(self) -> None:
        """A client has come."""
        self._count += 1
        if self._count >= self.limit and not self._paused:
            self._paused = True
            for listener in self._listeners:
                listener.pause()

    def release(self) -> None:
        """A client has gone."""
        self._count -= 1
        if self._paused and self._count < self.limit:
            self._paused = False
            for listener in self._listeners:
                listener.resume()


def make_connection_limit(limit: int | None = None) -> ConnectionLimit:
    """A gate for this process, whose limit of open files is raised as far as it may go.

    Without a `limit`, as many as can all be answered at once. Raises ComposectlError where the open files do not allow
    the `limit`, with a file for each client.
    """
    files = raise_open_files()
    most = max(_PER_EXCHANGE, files - files // KEPT_PART - _RESERVED)
    if limit is not None and limit > most:
        raise errors.UsageError(
            f"`--max-connections {limit}` exceeds the limit of open files, which allows {most}",
            "`ulimit -Hn` shows the limit: each client takes one file, and a second one during a request",
        )
    return ConnectionLimit(most // _PER_EXCHANGE if limit is None else limit)


# Private


def _addresses(host: str) -> list[str]:
    """Each address of a name, or the one that `host` is; IPv4 first."""
    try:
        found = {str(place[0]) for *_, place in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except OSError:
        raise errors.ComposectlError(
            f"cannot resolve host `{host}`", "use `--listen` with an address of this machine"
        ) from None
    return sorted(found, key=lambda address: (":" in address, address))


def _bind_all(hosts: list[str], port: int) -> list[socket.socket]:
    with ExitStack() as undo:
        bound: list[socket.socket] = []
        for host in hosts:
            if ":" in host and bound and not _has_ipv6():
                continue
            # Where any port will do, IPv6 gets the one that IPv4 was given.
            one = _bind_one(host, bound[0].getsockname()[1] if bound else port)
            undo.callback(one.close)
            bound.append(one)
        undo.pop_all()
        return bound


def _bind_one(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind((host, port))
        one.listen()
    except OSError as error:
        one.close()
        raise _explain(error, host, port) from error
    return one


def _explain(error: OSError, host: str, port: int) -> Exception:
    address = join_address(host, port)
    if error.errno == errno.EADDRINUSE:
        return PortTaken(address, port)
    known: dict[int | None, Callable[[str], errors.ComposectlError]] = {
        errno.EACCES: errors.port_forbidden,
        errno.EADDRNOTAVAIL: errors.no_such_address,
    }
    return known[error.errno](address) if error.errno in known else error


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as one:
            one.bind(("::1", 0))
    except OSError:
        return False
    return True
