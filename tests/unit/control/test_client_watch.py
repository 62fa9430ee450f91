"""A client that is told what goes on, and asks where there is no room among those who are."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from composectl.control import client
from composectl.control.client import Client
from composectl.errors import HasEnded
from tests.support.fake_daemon import ABOUT, FakeDaemon
from tests.support.snapshots import service
from tests.unit.control.test_events import listening

READERS = 32  # that are told at once


async def test_it_is_told_at_once_and_when_something_has_changed(tmp_path: Path) -> None:
    house = FakeDaemon()
    async with house.open(tmp_path) as path:
        telling = (await asyncio.to_thread(Client, path)).watch()
        assert (await asyncio.to_thread(telling.next))["services"] == []
        house.services = (service(desired=4),)
        (told,) = (await asyncio.to_thread(telling.next))["services"]
        assert told["desired"] == 4
        telling.close()


async def test_where_composectl_ends_there_is_no_more(tmp_path: Path) -> None:
    async with FakeDaemon().open(tmp_path) as path:
        telling = (await asyncio.to_thread(Client, path)).watch()
        await asyncio.to_thread(telling.next)
    with pytest.raises(HasEnded):
        await asyncio.to_thread(telling.next)
    telling.close()


async def test_a_successor_goes_on_with_it(tmp_path: Path) -> None:
    async with FakeDaemon().open(tmp_path) as path:
        telling = (await asyncio.to_thread(Client, path)).watch()
        await asyncio.to_thread(telling.next)
    path.unlink(missing_ok=True)
    successor = FakeDaemon(replace(ABOUT, pid=4712))
    async with successor.open(tmp_path):
        assert (await asyncio.to_thread(telling.next))["pid"] == 4712
    with pytest.raises(HasEnded, match="process 4712"):
        await asyncio.to_thread(telling.next)
    telling.close()


async def test_who_waits_in_another_thread_is_let_go(tmp_path: Path) -> None:
    house = FakeDaemon()
    async with house.open(tmp_path) as path:
        telling = (await asyncio.to_thread(Client, path)).watch()
        await asyncio.to_thread(telling.next)
        waiting = asyncio.create_task(asyncio.to_thread(_until_it_ends, telling))
        telling.close()
        await asyncio.wait_for(waiting, 60)


async def test_among_very_many_it_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_POLL_INTERVAL", 0.01)
    house = FakeDaemon()
    async with house.open(tmp_path) as path, AsyncExitStack() as stack:
        for _ in range(READERS):
            await (await stack.enter_async_context(listening(path))).next("snapshot")
        telling = (await asyncio.to_thread(Client, path)).watch()
        for desired in (1, 2):
            house.services = (service(desired=desired),)
            (told,) = (await asyncio.to_thread(telling.next))["services"]
            assert told["desired"] == desired
        telling.close()


def _until_it_ends(telling: client.SnapshotWatch) -> None:
    with suppress(HasEnded):
        while True:
            telling.next()
