"""Listeners: bound where Docker would have published, accepting clients within the connection limit."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import cast

from aiohttp import web

from composectl import errors
from composectl.balance.backend import join_address
from composectl.proxy.acceptor import Acceptor
from composectl.proxy.connection_pool import KEPT_PART
from composectl.proxy.limits import Client, ConnectionLimit
from composectl.proxy.poller import CAN_POLL
from composectl.proxy.server import HttpServer
from composectl.proxy.sockets import raise_open_files

# For listeners, other sockets, pipes of Compose, and a rush of clients
_RESERVED = 128
_PER_EXCHANGE = 2
_BACKLOG = 4096
# Plain asyncio accepts so many at a time, before they are counted.
_AT_ONCE = 16
_RETRY_SECONDS = 1.0


class PortTaken(Exception):
    """Every port of the range is in use; `address` is the last one."""

    def __init__(self, address: str, port: int) -> None:
        super().__init__(address)
        self.address = address
        self.port = port


def bind(host: str, ports: Iterable[int], each: int = 1) -> list[socket.socket]:
    """Sockets on the first free of `ports` (0: any), so many for each address of `host`; if empty, of IPv4 and of IPv6.

    Raises PortTaken, or ComposectlError where there is no right or no such address.
    """
    hosts = _addresses(host) if host else ["0.0.0.0", "::"]
    taken: PortTaken | None = None
    for port in ports:
        try:
            return share(_bind_all(hosts, port), each)
        except PortTaken as error:
            taken = error
    assert taken is not None
    raise taken


def share(listening: Sequence[socket.socket], each: int) -> list[socket.socket]:
    """These sockets, and more on their addresses until there are so many for each, among which the kernel divides.

    The option is set only after the first one was bound: no other process shares the port without being told.
    """
    if each == 1:
        return list(listening)
    shared = list(listening)
    for sock in shared:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    count = Counter(sock.getsockname() for sock in shared)
    for address, there in count.items():
        family = socket.AF_INET6 if len(address) > 2 else socket.AF_INET
        shared += (socket.create_server(address[:2], family=family, reuse_port=True) for _ in range(there, each))
    return shared


def address_of(listening: socket.socket) -> str:
    """`host:port` of a bound socket."""
    return join_address(*listening.getsockname()[:2])


class Listener(web.SockSite):
    """A listening socket that can be paused: where the loop accepts its clients, a duplicate of it is closed then."""

    __slots__ = ("_acceptor", "_connection_limit", "_opening", "_wanted")

    _server: asyncio.Server | None

    def __init__(self, runner: web.ServerRunner, sock: socket.socket, connection_limit: ConnectionLimit) -> None:
        super().__init__(runner, sock)
        self._connection_limit = connection_limit
        self._wanted = False
        self._opening: asyncio.Task[None] | None = None
        self._acceptor: Acceptor | None = None

    async def start(self) -> None:
        await web.BaseSite.start(self)
        self._wanted = True
        make = self._http.make
        if CAN_POLL and make is not None:
            self._sock.listen(_BACKLOG)
            self._acceptor = Acceptor(self._sock, self._connection_limit, make)
        else:
            self._server = await self._listen()
        self._connection_limit.add(self)

    async def stop(self) -> None:
        self._connection_limit.remove(self)
        self.unwatch()
        self.pause()
        await super().stop()
        self._sock.close()

    def pause(self) -> None:
        self._wanted = False
        if self._acceptor is not None:
            self._acceptor.stop()
        if self._server is not None:
            server, self._server = self._server, None
            loop = asyncio.get_running_loop()
            for listening in server.sockets:
                loop.remove_reader(listening.fileno())  # plain asyncio accepts no more from here on
            # A client that was accepted just now still needs the server that it came by.
            loop.call_soon(loop.call_soon, server.close)

    def resume(self) -> None:
        self._wanted = True
        if self._acceptor is not None:
            self._acceptor.start()
        elif self._server is None and self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._open())

    def watch(self) -> None:
        asyncio.get_running_loop().add_reader(self._sock.fileno(), self._connection_limit.make_room)

    def unwatch(self) -> None:
        asyncio.get_running_loop().remove_reader(self._sock.fileno())

    def idle_clients(self) -> Mapping[Client, int]:
        return self._http.context.idle_connections()

    # Private

    @property
    def _http(self) -> HttpServer:
        assert isinstance(self._runner.server, HttpServer)
        return self._runner.server

    async def _open(self) -> None:
        while self._wanted and self._server is None:
            try:
                self._server = await self._listen()
            except OSError:  # no descriptor is left
                await asyncio.sleep(_RETRY_SECONDS)
        self._opening = None
        if not self._wanted:
            self.pause()

    async def _listen(self) -> asyncio.Server:
        server = await asyncio.get_running_loop().create_server(
            cast(Callable[[], asyncio.BaseProtocol], self._http), sock=self._sock.dup(), backlog=_AT_ONCE
        )
        self._sock.listen(_BACKLOG)
        return server


async def serve(server: HttpServer, sockets: list[socket.socket], drain_seconds: float) -> web.ServerRunner:
    """Accept clients on `sockets`; the runner's `cleanup` closes them and gives the rest `drain_seconds`."""
    server.context.bound_to(sock.getsockname()[0] for sock in sockets)
    runner = web.ServerRunner(server, shutdown_timeout=drain_seconds)
    await runner.setup()
    for sock in sockets:
        await Listener(runner, sock, server.connection_limit).start()
    return runner


def make_connection_limit(limit: int | None = None) -> ConnectionLimit:
    """The connection limit of this process, whose limit of open files is raised as far as it may go.

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
            bound.append(undo.enter_context(_bind_one(host, bound[0].getsockname()[1] if bound else port)))
        undo.pop_all()
        return bound


def _bind_one(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        address = join_address(host, port)
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(address, port) from error
        if error.errno == errno.EACCES:
            raise errors.ComposectlError(
                f"cannot listen on {address}: permission denied",
                "ports below 1024 need root or CAP_NET_BIND_SERVICE; `--listen 8080` uses another port",
            ) from error
        if error.errno == errno.EADDRNOTAVAIL:
            raise errors.ComposectlError(
                f"cannot listen on {address}: address not available", "use `--listen` with an address of this machine"
            ) from error
        raise


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as ipv6:
            ipv6.bind(("::1", 0))
    except OSError:
        return False
    return True
