"""What the connections of one listener share."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from secrets import token_hex
from typing import Final, Protocol, cast
from weakref import WeakKeyDictionary

from composectl.balance.backend import Backend
from composectl.proxy.access_log import AccessLog
from composectl.proxy.access_log_format import AccessRecord
from composectl.proxy.http1.head_cache import RequestHeadCache
from composectl.proxy.limits import PRIVATE, Client, Limits, is_private, is_within

_REMEMBERED: Final = 1024  # addresses: to parse one takes longer than all the rest of an HTTP/1 connection's start
_SILENT_SECONDS: Final = 1
UNKNOWN: Final = ("unknown", 0)


class Connection(Protocol):
    """A connection of a client."""

    def close(self) -> None:
        """Take no further request; end as soon as the current one is answered."""

    def close_after_response(self) -> None:
        """End with the next response, of which no byte has been sent yet, and tell the client so in it."""

    def abort(self) -> None:
        """End now; a client that still waits for something gets a reset."""

    def cut(self, backend: Backend, *, spare_streams: bool = False) -> None:
        """End now if this backend is to answer.

        `spare_streams`: not what has begun and shows its own end, so that the backend can end it in order.
        """

    def idleness(self, tick: int) -> int:
        """How fit it is to make room for another client: 0 while it is in use, or has been until just now."""

    def sweep(self, tick: int) -> None:
        """Enforce the deadlines; called once a second."""


class Successor(Connection, Protocol):
    """One that takes over from another, once it is known what the client speaks."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...
    def data_received(self, data: bytes) -> None: ...


class ListenerContext:
    """`tick` counts the seconds. `connections` are those of clients; `tunnels` are those of them that became tunnels.

    `recognised` counts the connections by what their first bytes were.
    `name`: what `Via` calls this listener, by default a name of its own, so that a request may pass several listeners,
    but none of them twice. `make_id` gives the `X-Request-ID` of a request that comes without one; None where such
    fields are forwarded as they are. `log` gets a record of each request. `on_closed` is called for each connection,
    `on_untrusted` once, with the address of a private peer whose forwarding fields are dropped. `on_silent` is called
    once, for a client that waits for the other side to speak first. `proxied`: the addresses of clients, by their
    connections, that proxies in front have told.
    """

    def __init__(
        self,
        limits: Limits,
        name: str,
        make_id: Callable[[], bytes] | None,
        log: AccessLog | None,
        on_closed: Callable[[], None],
        on_untrusted: Callable[[str], None],
    ) -> None:
        self.limits = limits
        self.has_request_limits = bool(limits.allowed_hosts) or limits.max_request_body is not None
        self.name = name or f"composectl-{token_hex(4)}"
        self.make_id = make_id
        self.log = log
        self.tick = 0
        self.connections: set[Connection] = set()
        self.tunnels: set[Connection] = set()
        self.recognised = Counter[str]()
        self.request_heads = RequestHeadCache()
        self.proxied = WeakKeyDictionary[object, tuple[str, int]]()
        self.empty = asyncio.Event()
        self.empty.set()
        self.on_silent: Callable[[], None] | None = None
        self._on_closed = on_closed
        self._on_untrusted = on_untrusted
        self._trusted = limits.trusted_proxies
        self._are_trusted: dict[str, bool] = {}
        self._has_told = False

    def bound_to(self, hosts: Iterable[str]) -> None:
        """The listener is bound to these addresses. Behind loopback alone, only a proxy of this machine can connect."""
        if not self.limits.trusted_proxies and all(ip_address(host).is_loopback for host in hosts):
            self._trusted = PRIVATE
            self._are_trusted.clear()

    def peer_of(self, transport: asyncio.BaseTransport) -> tuple[str, int]:
        """The address and the port of the client; `UNKNOWN` where it has gone already."""
        if self.proxied:
            plain = transport.get_extra_info("plain_transport") or transport
            if (told := self.proxied.get(plain)) is not None:
                return told
        name = transport.get_extra_info("peername")
        return name[:2] if name else UNKNOWN

    def server_name_of(self, transport: asyncio.BaseTransport) -> bytes:
        """The server that the client has named by TLS, in lower case; empty where it has named none."""
        name: bytes = transport.get_extra_info("server_name", b"")
        return name

    def opened(self, connection: Connection) -> None:
        if not self.connections:
            self.empty.clear()
        self.connections.add(connection)

    def replaced(self, connection: Connection, successor: Connection) -> None:
        """Another object reads what comes over this connection from now on."""
        self.connections.discard(connection)
        self.connections.add(successor)

    def hand_over(self, connection: Connection, transport: asyncio.Transport, to: Successor, data: bytes) -> None:
        """Another object is opened in place of the connection, and reads `data` first."""
        self.connections.discard(connection)
        transport.set_protocol(cast(asyncio.Protocol, to))
        to.connection_made(transport)
        if data:
            to.data_received(data)

    def became_tunnel(self, connection: Connection) -> None:
        """Bytes are relayed over this connection, unread."""
        self.connections.discard(connection)
        self.tunnels.add(connection)

    def closed(self, connection: Connection) -> None:
        """The connection, or the tunnel that it became, has ended."""
        self._on_closed()
        self.connections.discard(connection)
        self.tunnels.discard(connection)
        if not self.connections and not self.tunnels:
            self.empty.set()

    def idle_connections(self) -> dict[Client, int]:
        """Those that may make room for other clients, and how fit they are for it."""
        found = ((connection, connection.idleness(self.tick)) for connection in self.connections)
        return {connection: idleness for connection, idleness in found if idleness}

    def log_access(self, record: AccessRecord | None, status: int, error: str) -> None:
        """Log how a request has ended, where there is a log: see `AccessRecord.end`."""
        if self.log is not None and record is not None:
            record.end(status, error)
            self.log.record(record)

    def check_silence(self, tick: int, since: int) -> None:
        """Tell of a client that has sent nothing since then; where browsers do so, others have sent something."""
        if self.on_silent is not None and not self.recognised and tick - since > _SILENT_SECONDS:
            tell, self.on_silent = self.on_silent, None
            tell()

    def is_trusted_proxy(self, client: str) -> bool:
        """Whether the forwarding fields of this address are kept."""
        if not self._trusted:
            return False
        is_trusted = self._are_trusted.get(client)
        if is_trusted is None:
            if len(self._are_trusted) >= _REMEMBERED:
                self._are_trusted.clear()
            is_trusted = self._are_trusted[client] = is_within(client, self._trusted)
        return is_trusted

    def is_suspected_proxy(self, client: str) -> bool:
        """Whether to look for forwarding fields that are dropped, though they may be meant to be kept."""
        return not self._has_told and is_private(client)

    def dropped_forwarding(self, client: str) -> None:
        """The forwarding fields of this private peer were dropped."""
        if not self._has_told:
            self._has_told = True
            self._on_untrusted(client)
