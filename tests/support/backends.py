"""A raw scripted backend: what it hears and says is in the hands of the test."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import re
import socket
from collections.abc import Awaitable, Callable

from tests.support.raw_http import PATIENCE, Ended, Wire

Script = Callable[[Wire], Awaitable[None]]


class ScriptedBackend:
    """Listens on one address; `wires` holds its connections in the order in which they were accepted."""

    def __init__(self, listening: socket.socket) -> None:
        listening.setblocking(False)
        self.host, self.port = listening.getsockname()
        self.address = f"{self.host}:{self.port}"
        self.wires: list[Wire] = []
        self._listening = listening
        self._tasks: set[asyncio.Task[None]] = set()

    async def accept(self) -> Wire:
        """The next connection that the proxy makes."""
        async with asyncio.timeout(PATIENCE):
            sock, _ = await asyncio.get_running_loop().sock_accept(self._listening)
        self.wires.append(Wire(sock))
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
        """Listen no more."""
        self._listening.close()

    async def die(self) -> None:
        """Go as a process does that is killed: nobody listens, and what was open is reset."""
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
            self.wires.append(Wire(sock))
            self._start(_ignore_the_end(script, self.wires[-1]))

    def _start(self, work: Awaitable[None]) -> None:
        self._tasks.add(asyncio.ensure_future(work))


def listen_on(hosts: list[str], *, receive_buffer: int = 0, backlog: int = 100) -> list[ScriptedBackend]:
    """A backend on each of `hosts`, all on one port."""
    while True:
        with contextlib.ExitStack() as undo:
            sockets: list[socket.socket] = []
            for host in hosts:
                one = undo.enter_context(socket.socket())
                if receive_buffer:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if not _is_free(one, host, sockets[0].getsockname()[1] if sockets else 0):
                    break
                one.listen(backlog)
                sockets.append(one)
            else:
                undo.pop_all()
                return [ScriptedBackend(one) for one in sockets]


def answers(response: bytes) -> Script:
    """A script that gives every request, whose body it reads if it has a length, the same answer."""

    async def script(wire: Wire) -> None:
        while True:
            head = await wire.head()
            if length := re.search(rb"(?i)content-length: (\d+)", head):
                await wire.exactly(int(length[1]))
            await wire.send(response)

    return script


# Private


def _is_free(sock: socket.socket, host: str, port: int) -> bool:
    """Bind to a port, unless somebody else on this machine has it at this address."""
    try:
        sock.bind((host, port))
    except OSError as error:
        if port and error.errno == errno.EADDRINUSE:
            return False
        raise
    return True


async def _ignore_the_end(script: Script, wire: Wire) -> None:
    try:
        await script(wire)
    except (Ended, OSError):
        wire.close()
