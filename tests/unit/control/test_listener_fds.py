"""What one composectl hands over to the next."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from composectl.control.api import serve_api
from composectl.control.client import Client
from composectl.control.commands import DaemonInfo
from composectl.control.listener_fds import ListenerFds, OldProcess
from composectl.control.lock import ProjectLock
from composectl.errors import ComposectlError, RunsAlready
from tests.support.fake_daemon import FakeDaemon

_T = TypeVar("_T")


class First(FakeDaemon):
    """A composectl that is to be followed by another."""

    def __init__(self, folder: Path, *, has_listeners: bool = True) -> None:
        super().__init__(DaemonInfo("shop", os.getpid(), "/srv", ()))
        self.project_lock = ProjectLock(folder, "shop", "unix:///engine")
        self.listening = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        self.is_stopped = asyncio.Event()
        self._has_listeners = has_listeners

    def listeners(self) -> ListenerFds | None:
        return ListenerFds({"echo 80": self.listening}, self.project_lock.fd) if self._has_listeners else None

    def stop(self) -> None:
        self.is_stopped.set()

    async def __aenter__(self) -> First:
        self._runner = await serve_api(self, self.project_lock.listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        for listener in self.listening:
            listener.close()
        self.project_lock.release()


async def in_thread(work: Callable[[], _T]) -> _T:
    return await asyncio.wait_for(asyncio.to_thread(work), 60)


async def test_the_listening_sockets_are_the_same_ones(tmp_path: Path) -> None:
    async with First(tmp_path) as first:
        old = await in_thread(lambda: OldProcess(first.project_lock.socket, os.getpid()))
        received = await in_thread(old.receive)
        addresses = [listener.getsockname() for listener in received.listening["echo 80"]]
        assert addresses == [listener.getsockname() for listener in first.listening]
        for listener in first.listening:
            listener.close()
        with socket.create_connection(addresses[1]):
            received.listening["echo 80"][1].accept()[0].close()
        for listener in received.listening["echo 80"]:
            listener.close()
        await in_thread(old.stop)
        assert first.is_stopped.is_set()
        os.close(received.lock)


async def test_the_lock_stays_held_when_the_first_one_has_ended(tmp_path: Path) -> None:
    async with First(tmp_path) as first:
        old = await in_thread(lambda: OldProcess(first.project_lock.socket, os.getpid()))
        received = await in_thread(old.receive)
        successor = ProjectLock(tmp_path, "shop", "unix:///engine", inherited=received.lock)
        with successor.listen():
            assert (await in_thread(lambda: Client(first.project_lock.socket))).info.project == "shop"
            os.ftruncate(received.lock, 0)
            os.pwrite(received.lock, b"1", 0)  # as another process signs it
            assert not first.project_lock.is_owner
            successor.socket.with_suffix(".next").rename(successor.socket)
        await in_thread(old.stop)
        for sockets in received.listening.values():
            for listener in sockets:
                listener.close()
    assert successor.socket.exists()
    with pytest.raises(RunsAlready):
        ProjectLock(tmp_path, "shop", "unix:///engine")
    os.close(received.lock)


def test_a_lock_that_was_not_taken_over_leaves_the_first_alone(tmp_path: Path) -> None:
    first = ProjectLock(tmp_path, "shop", "unix:///engine")
    with first.listen():
        os.pwrite(first.fd, b"1\n", 0)  # it is another process
        second = ProjectLock(tmp_path, "shop", "unix:///engine", inherited=os.dup(first.fd))
        with second.listen():
            second.release()
        assert sorted(path.suffix for path in tmp_path.iterdir()) == [".lock", ".sock"]
    first.release()


async def test_one_that_has_nothing_to_hand_over_says_so(tmp_path: Path) -> None:
    async with First(tmp_path, has_listeners=False) as first:
        old = await in_thread(lambda: OldProcess(first.project_lock.socket, os.getpid()))
        with pytest.raises(ComposectlError, match="incompatible version"):
            await in_thread(old.receive)


def test_one_that_has_ended_meanwhile_is_told_of(tmp_path: Path) -> None:
    path = tmp_path / "shop.sock"
    with pytest.raises(ComposectlError, match=r"lost the connection to composectl \(process 4711\)"):
        OldProcess(path, 4711)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        old = OldProcess(path, 4711)
        for _ in range(2):
            listening.accept()[0].close()
        with pytest.raises(ComposectlError, match="lost the connection"):
            old.receive()
        old.stop()


async def test_more_sockets_than_a_message_holds(tmp_path: Path) -> None:
    async with First(tmp_path) as first:
        more = [socket.create_server(("127.0.0.1", 0)) for _ in range(298)]
        first.listening += more
        old = await in_thread(lambda: OldProcess(first.project_lock.socket, os.getpid()))
        received = await in_thread(old.receive)
        ports = [listener.getsockname()[1] for listener in received.listening["echo 80"]]
        assert ports == [listener.getsockname()[1] for listener in first.listening]
        for listener in received.listening["echo 80"]:
            listener.close()
        os.close(received.lock)
