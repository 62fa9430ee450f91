"""A raw scripted backend: what it hears and says is in the hands of the test."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import Awaitable, Callable

from tests.support.kept_port import keep_port
from tests.support.raw_http import PATIENCE, ConnectionEnded, RawConnection

Script = Callable[[RawConnection], Awaitable[None]]

# A full one drops a SYN, which comes again after seconds: a burst of connections must fit.
BACKLOG = 1024

_TRIES = 100


class ScriptedBackend:
    """Listens on one address, which it keeps; `wires` holds its connections in the order of their acceptance."""

    def __init__(self, kept: socket.socket, listening: socket.socket) -> None:
        listening.setblocking(False)
        self.host, self.port = kept.getsockname()
        self._kept = kept
        self.address = f"{self.host}:{self.port}"
        self.wires: list[RawConnection] = []
        self._listening = listening
        self._tasks: set[asyncio.Task[None]] = set()

    async def accept(self) -> RawConnection:
        """The next connection that the proxy makes."""
        async with asyncio.timeout(PATIENCE):
            sock, _ = await asyncio.get_running_loop().sock_accept(self._listening)
        self.wires.append(RawConnection(sock))
        return self.wires[-1]

    def untouched(self) -> bool:
        """Whether no connection waits, and none was ever accepted."""
        try:
            self._listening.accept()
        except BlockingIOError:
            return not self.wires
        return False

    def play(self, script: Script) -> None:
        """Let `script` serve each connection to come."""
        self._start(self._accept_all(script))

    def hand_over(self) -> socket.socket:
        """The listening socket, for a server that is none of ours."""
        return self._listening.dup()

    def refuse(self) -> None:
        """Listen no more: clients are refused."""
        self._listening.close()

    async def die(self) -> None:
        """Go as a process does that is killed: nothing listens, and what was open is reset."""
        await self._stop()
        self.refuse()
        for wire in self.wires:
            if wire.sock.fileno() >= 0:
                wire.reset()

    def listen_again(self) -> None:
        """Listen where it did before."""
        self._listening = socket.create_server((self.host, self.port))
        self._listening.setblocking(False)

    async def close(self) -> None:
        await self._stop()
        self.refuse()
        self._kept.close()
        for wire in self.wires:
            wire.close()

    # Private

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept_all(self, script: Script) -> None:
        while True:
            sock, _ = await asyncio.get_running_loop().sock_accept(self._listening)
            self.wires.append(RawConnection(sock))
            self._start(_ignore_the_end(script, self.wires[-1]))

    def _start(self, work: Awaitable[None]) -> None:
        self._tasks.add(asyncio.ensure_future(work))


def listen_on(hosts: list[str], *, receive_buffer: int = 0, backlog: int = BACKLOG) -> list[ScriptedBackend]:
    """A backend on each of `hosts`, all on one port."""
    kept = _keep_one_port(hosts)
    return [ScriptedBackend(kept_port, _listening(kept_port, receive_buffer, backlog)) for kept_port in kept]


def answers(response: bytes) -> Script:
    """A script that gives every request, whose body it reads if it has a length, the same answer."""

    async def script(wire: RawConnection) -> None:
        while True:
            head = await wire.head()
            if length := re.search(rb"(?i)content-length: (\d+)", head):
                await wire.exactly(int(length[1]))
            await wire.send(response)

    return script


# Private


def _keep_one_port(hosts: list[str]) -> list[socket.socket]:
    """The same port of each of `hosts`."""
    for _ in range(_TRIES):
        with contextlib.ExitStack() as undo, contextlib.suppress(OSError):
            first = undo.enter_context(keep_port(hosts[0]))
            others = [undo.enter_context(keep_port(host, first.getsockname()[1])) for host in hosts[1:]]
            undo.pop_all()
            return [first, *others]
    raise AssertionError(f"{_TRIES} ports in a row are taken at one of {hosts}")


def _listening(kept: socket.socket, receive_buffer: int, backlog: int) -> socket.socket:
    listener = socket.socket()
    if receive_buffer:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(kept.getsockname())
    listener.listen(backlog)
    return listener


async def _ignore_the_end(script: Script, wire: RawConnection) -> None:
    try:
        await script(wire)
    except (ConnectionEnded, OSError):
        wire.close()
