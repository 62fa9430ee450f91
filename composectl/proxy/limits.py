"""The limits of a listener, of its clients and of its backends."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from heapq import nlargest
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Protocol

from composectl.proxy.errors import BadMessage, ErrorReason
from composectl.proxy.head import RequestHead
from composectl.proxy.token_buckets import RateLimit

Networks = tuple[IPv4Network | IPv6Network, ...]
LOOPBACK: Final[Networks] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
PRIVATE: Final[Networks] = tuple(
    map(
        ip_network,
        (
            *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"),
            *("::1/128", "fc00::/7", "fe80::/10"),
        ),
    )
)
"""This machine, and the networks that are not routed on the Internet (RFC 1918, RFC 4193, RFC 3927)."""
_LENGTH: Final = b"Content-Length: "
# Of clients that are idle: so many seconds at least, and how much fitter those are that have not yet asked, or are done
IDLE_ENOUGH: Final = 2
OF_NO_USE: Final = 1_000_000_000
# As in nginx: to look for the idle ones takes time.
_ENDED_AT_ONCE: Final = 32
_ENDED_PART: Final = 8


@dataclass(frozen=True, slots=True)
class Limits:
    """None, and nothing in a collection, is no limit; the sweep keeps the seconds, so that they are exact to one.

    `response_timeout`: seconds for a backend to begin its response, once it has the whole request.
    `idle_timeout`: seconds without a byte within a response, or both ways in a tunnel. `max_request_body`: bytes.
    `trusted_proxies`: the networks of proxies whose forwarding fields are kept; without any, those of `PRIVATE` where
    the listener is bound to loopback alone.
    `allowed_hosts`: names in lower case and without a port.
    `accept_proxy_protocol`: trusted proxies tell the address of their client. `send_proxy_protocol`: the version in
    which backends of connections are told it, `v1` or `v2`; "" for none. `allow_pin`: clients at loopback, and trusted
    proxies, may choose the replica of a request.
    """

    response_timeout: int | None = None
    idle_timeout: int | None = None
    max_request_body: int | None = None
    trusted_proxies: Networks = ()
    allowed_hosts: frozenset[bytes] = frozenset()
    accept_proxy_protocol: bool = False
    send_proxy_protocol: str = ""
    allow_pin: bool = False


NO_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class QueueConfig:
    """The seconds for which a request waits, exact to one, and how many wait at once; with a 0 none does."""

    timeout: int = 30
    size: int = 1000


@dataclass(frozen=True, slots=True)
class GuardConfig:
    """Nothing in a collection, and None, guards nothing. A client is one address of IPv4, or a /64 of IPv6.

    `allow_ip`: only clients of these networks are answered. `deny_ip`: those of these networks are not.
    `rate_limit`: the requests of a client; `max_in_flight_per_client`: those of them that are answered at once.
    `basic_auth`: the file of the users that are answered alone.
    """

    allow_ip: Networks = ()
    deny_ip: Networks = ()
    rate_limit: RateLimit | None = None
    max_in_flight_per_client: int | None = None
    basic_auth: str = ""


class Client(Protocol):
    """A connected client."""

    def abort(self) -> None: ...


class Pausable(Protocol):
    """A listening socket; the kernel queues connections while it is paused."""

    def pause(self) -> None: ...
    def resume(self) -> None: ...

    def watch(self) -> None:
        """Call `make_room` once a client waits, although the listener is paused."""

    def unwatch(self) -> None: ...

    def idle_clients(self) -> Mapping[Client, int]:
        """Those that may make room for others, with a larger number where they are fitter for it."""


class ConnectionLimit:
    """Counts the clients of all its listeners; a `limit` of 0 admits only those of the first rush.

    At the limit, the clients that have been idle for longest make room for those that wait.
    """

    def __init__(self, limit: int = sys.maxsize) -> None:
        self.limit = limit
        self.count = 0  # of clients that are connected now
        self._paused = False
        self._listeners: set[Pausable] = set()

    def add(self, listener: Pausable) -> None:
        self._listeners.add(listener)
        if self._paused:
            listener.pause()

    def remove(self, listener: Pausable) -> None:
        self._listeners.discard(listener)

    @property
    def is_full(self) -> bool:
        return self.count >= self.limit

    def acquire(self) -> None:
        """A client has come."""
        self.count += 1
        if self.count >= self.limit:
            self._pause()

    def release(self) -> None:
        """A client has gone."""
        self.count -= 1
        if self._paused:
            self._resume()

    def make_room(self) -> None:
        """A client waits: end idle ones, if there are any; else `sweep` looks again."""
        for listener in self._listeners:
            listener.unwatch()
        if self.is_full and not self.end_idle():
            self._none_idle()

    def end_idle(self) -> bool:
        """End the clients that have been idle for longest, a few of them; whether there are any."""
        idle: dict[Client, int] = {}
        for listener in self._listeners:
            idle.update(listener.idle_clients())
        ended = max(1, min(_ENDED_AT_ONCE, len(idle) // _ENDED_PART))
        for client in nlargest(ended, idle, key=lambda client: idle[client]):
            client.abort()
        return bool(idle)

    def sweep(self) -> None:
        """To be called once a second, or more often."""
        if self._paused:
            for listener in self._listeners:
                listener.watch()

    # Private

    def _none_idle(self) -> None:
        """A client waits, and none can make room."""

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            for listener in self._listeners:
                listener.pause()
                listener.watch()

    def _resume(self) -> None:
        if self._paused and not self.is_full:
            self._paused = False
            for listener in self._listeners:
                listener.unwatch()
                listener.resume()


def is_within(client: str, networks: Networks) -> bool:
    """Whether one of `networks` holds this address; what is no address is in none."""
    try:
        address = ip_address(client)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return any(address in network or (mapped is not None and mapped in network) for network in networks)


@lru_cache(1024)
def is_private(client: str) -> bool:
    """Whether this address is one of `PRIVATE`."""
    return is_within(client, PRIVATE)


def check_head(head: RequestHead, limits: Limits) -> None:
    """Reject a host that is not allowed (RFC 9110, section 7.4), and a body with too large a Content-Length."""
    if limits.allowed_hosts and host_of(head) not in limits.allowed_hosts:
        raise BadMessage(421, ErrorReason.HOST_NOT_ALLOWED)
    if limits.max_request_body is not None and head.framing.startswith(_LENGTH):
        check_body(int(head.framing[len(_LENGTH) :]), limits)


def host_of(head: RequestHead) -> bytes:
    """The host that is asked for, in lower case and without a port; empty where the client gave none."""
    host = head.data.split(b"\r\n", 2)[1].removeprefix(b"Host: ").lower()
    name = host.partition(b"]")[0] + b"]" if host.startswith(b"[") else host.partition(b":")[0]
    return name.removesuffix(b".")


def check_body(size: int, limits: Limits) -> None:
    """Reject a body that is, or has become, too large (RFC 9110, section 15.5.14)."""
    if limits.max_request_body is not None and size > limits.max_request_body:
        raise BadMessage(413, ErrorReason.BODY_TOO_LARGE)
