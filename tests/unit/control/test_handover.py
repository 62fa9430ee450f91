"""What one composectl hands over to the next."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from composectl.balance.snapshot import VERSION, Snapshot
from composectl.control.api import About, Handlers, serve_api
from composectl.control.client import Client
from composectl.control.events import Events, Lately
from composectl.control.listener_fds import Estate, Predecessor
from composectl.control.lock import Claim
from composectl.control.metrics_server import Scraping
from composectl.errors import ComposectlError, RunsAlready

_T = TypeVar("_T")


class First:
    """A composectl that is to be followed by another."""

    def __init__(self, folder: Path, *, has_estate: bool = True) -> None:
        self.claim = Claim(folder, "shop", "unix:///engine")
        self.listening = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        self.stopped = asyncio.Event()
        self._estate = self.estate if has_estate else None

    def estate(self) -> Estate:
        return Estate({"echo 80": self.listening}, self.claim.held)

    async def __aenter__(self) -> First:
        async def nothing(*_: object) -> None:
            pass

        handlers = Handlers(
            about=lambda: About("shop", os.getpid(), "/srv", ()),
            snapshot=_snapshot,
            events=Events(Lately(_snapshot).json, lambda _: None),
            scraping=Scraping(_snapshot),
            scale=nothing,
            rollout=nothing,
            judge=nothing,
            drain=nothing,
            undrain=nothing,
            estate=self._estate,
            stop=self.stopped.set,
        )
        self._runner = await serve_api(handlers, self.claim.listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        for one in self.listening:
            one.close()
        self.claim.release()


def _snapshot() -> Snapshot:
    return Snapshot(VERSION, "shop", ())


async def in_thread(work: Callable[[], _T]) -> _T:
    return await asyncio.wait_for(asyncio.to_thread(work), 5)


async def test_the_listening_sockets_are_the_same_ones(tmp_path: Path) -> None:
    async with First(tmp_path) as first:
        predecessor = (await in_thread(lambda: Client(first.claim.socket))).predecessor()
        estate = await in_thread(predecessor.estate)
        addresses = [one.getsockname() for one in estate.listening["echo 80"]]
        assert addresses == [one.getsockname() for one in first.listening]
        for one in first.listening:
            one.close()
        with socket.create_connection(addresses[1]):
            estate.listening["echo 80"][1].accept()[0].close()
        for one in estate.listening["echo 80"]:
            one.close()
        await in_thread(predecessor.dismiss)
        assert first.stopped.is_set()
        os.close(estate.lock)


async def test_the_lock_stays_held_when_the_first_one_has_ended(tmp_path: Path) -> None:
    async with First(tmp_path) as first:
        predecessor = (await in_thread(lambda: Client(first.claim.socket))).predecessor()
        estate = await in_thread(predecessor.estate)
        claim = Claim(tmp_path, "shop", "unix:///engine", inherited=estate.lock)
        with claim.listen():
            assert (await in_thread(lambda: Client(first.claim.socket))).about.project == "shop"
            os.ftruncate(estate.lock, 0)
            os.pwrite(estate.lock, b"1", 0)  # as another process signs it
            assert not first.claim.is_ours
            claim.socket.with_suffix(".next").rename(claim.socket)
        await in_thread(predecessor.dismiss)
        for sockets in estate.listening.values():
            for one in sockets:
                one.close()
    assert claim.socket.exists()
    with pytest.raises(RunsAlready):
        Claim(tmp_path, "shop", "unix:///engine")
    os.close(estate.lock)


def test_a_claim_that_was_not_taken_over_leaves_the_first_one_s_alone(tmp_path: Path) -> None:
    first = Claim(tmp_path, "shop", "unix:///engine")
    with first.listen():
        os.pwrite(first.held, b"1\n", 0)  # it is another process
        second = Claim(tmp_path, "shop", "unix:///engine", inherited=os.dup(first.held))
        with second.listen():
            second.release()
        assert sorted(one.suffix for one in tmp_path.iterdir()) == [".lock", ".sock"]
    first.release()


async def test_one_that_has_nothing_to_hand_over_says_so(tmp_path: Path) -> None:
    async with First(tmp_path, has_estate=False) as first:
        predecessor = (await in_thread(lambda: Client(first.claim.socket))).predecessor()
        with pytest.raises(ComposectlError, match="incompatible version"):
            await in_thread(predecessor.estate)


def test_one_that_has_ended_meanwhile_is_told_of(tmp_path: Path) -> None:
    path = tmp_path / "shop.sock"
    with pytest.raises(ComposectlError, match=r"lost the connection to composectl \(process 4711\)"):
        Predecessor(path, 4711)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        predecessor = Predecessor(path, 4711)
        for _ in range(2):
            listening.accept()[0].close()
        with pytest.raises(ComposectlError, match="lost the connection"):
            predecessor.estate()
        predecessor.dismiss()
