"""A client that follows the events, and polls where there are too many readers."""

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

READERS = 32  # at once, at most


async def test_a_snapshot_comes_at_once_and_after_a_change(tmp_path: Path) -> None:
    daemon = FakeDaemon()
    async with daemon.open(tmp_path) as path:
        watch = (await asyncio.to_thread(Client, path)).watch()
        assert (await asyncio.to_thread(watch.next))["services"] == []
        daemon.services = (service(desired=4),)
        (watched,) = (await asyncio.to_thread(watch.next))["services"]
        assert watched["desired"] == 4
        watch.close()


async def test_it_ends_with_composectl(tmp_path: Path) -> None:
    async with FakeDaemon().open(tmp_path) as path:
        watch = (await asyncio.to_thread(Client, path)).watch()
        await asyncio.to_thread(watch.next)
    with pytest.raises(HasEnded):
        await asyncio.to_thread(watch.next)
    watch.close()


async def test_a_successor_continues_it(tmp_path: Path) -> None:
    async with FakeDaemon().open(tmp_path) as path:
        watch = (await asyncio.to_thread(Client, path)).watch()
        await asyncio.to_thread(watch.next)
    path.unlink(missing_ok=True)
    successor = FakeDaemon(replace(ABOUT, pid=4712))
    async with successor.open(tmp_path):
        assert (await asyncio.to_thread(watch.next))["pid"] == 4712
    with pytest.raises(HasEnded, match="process 4712"):
        await asyncio.to_thread(watch.next)
    watch.close()


async def test_closing_it_ends_a_wait_in_another_thread(tmp_path: Path) -> None:
    daemon = FakeDaemon()
    async with daemon.open(tmp_path) as path:
        watch = (await asyncio.to_thread(Client, path)).watch()
        await asyncio.to_thread(watch.next)
        waiting = asyncio.create_task(asyncio.to_thread(_until_it_ends, watch))
        watch.close()
        await asyncio.wait_for(waiting, 60)


async def test_among_too_many_readers_it_polls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_POLL_INTERVAL", 0.01)
    daemon = FakeDaemon()
    async with daemon.open(tmp_path) as path, AsyncExitStack() as stack:
        for _ in range(READERS):
            await (await stack.enter_async_context(listening(path))).next("snapshot")
        watch = (await asyncio.to_thread(Client, path)).watch()
        for desired in (1, 2):
            daemon.services = (service(desired=desired),)
            (watched,) = (await asyncio.to_thread(watch.next))["services"]
            assert watched["desired"] == desired
        watch.close()


def _until_it_ends(watch: client.SnapshotWatch) -> None:
    with suppress(HasEnded):
        while True:
            watch.next()
