"""Listening sockets: bound where Docker would have published."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterable
from contextlib import ExitStack

from composectl import errors
from composectl.balance.snapshot import join_address


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


# Private


def _addresses(host: str) -> list[str]:
    """Each address of a name, or the one that `host` is; IPv4 first."""
    try:
        found = {str(place[0]) for *_, place in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except OSError:
        raise errors.unknown_host(host) from None
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
