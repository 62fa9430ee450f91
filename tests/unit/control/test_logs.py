"""What containers print, as JSON lines over the control socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, UnixConnector

from composectl import errors
from composectl.control.client import Client, LogWatch
from composectl.control.commands import LogLine, LogsRequest
from tests.support.fake_daemon import FakeDaemon
from tests.support.wait import wait_until_async
from tests.unit.control.test_openapi import valid

FIRST = LogLine("2026-01-02T03:04:05.000000001Z", "echo", 1, "listening")
SECOND = LogLine("2026-01-02T03:04:06.000000001Z", "echo", 2, "ready", after_gap=True)


def session(path: Path) -> ClientSession:
    return ClientSession("http://localhost", connector=UnixConnector(str(path)))


async def test_lines_come_as_they_are_printed_and_the_last_is_done(tmp_path: Path) -> None:
    daemon = FakeDaemon()
    daemon.printed = [FIRST, SECOND]
    async with AsyncExitStack() as running:
        path = await running.enter_async_context(daemon.open(tmp_path))
        async with session(path) as client, client.get("/v1/logs?service=echo&number=2&tail=7") as answer:
            assert (answer.status, answer.content_type) == (200, "application/jsonl")
            lines = [json.loads(await answer.content.readline()) for _ in range(2)]
            closing = asyncio.create_task(running.aclose())
            lines.append(json.loads(await answer.content.readline()))
        await closing
    assert all(valid("LogLine", line) for line in lines)
    assert [line.get("text") for line in lines] == ["listening", "ready", None]
    assert lines[1]["after_gap"]
    assert lines[2] == {"done": True}
    assert daemon.log_requests == [LogsRequest("echo", 2, 7)]


@pytest.mark.parametrize(
    "query", ["number=1", "service=echo&number=x", "service=echo&number=-1", "tail=0", "tail=1001"]
)
async def test_a_query_that_makes_no_sense_is_refused(tmp_path: Path, query: str) -> None:
    async with (
        FakeDaemon().open(tmp_path) as path,
        session(path) as client,
        client.get(f"/v1/logs?{query}") as answer,
    ):
        assert answer.status == 400
        assert valid("Error", await answer.json())


async def test_a_service_that_is_not_balanced_is_refused(tmp_path: Path) -> None:
    async with (
        FakeDaemon().open(tmp_path) as path,
        session(path) as client,
        client.get("/v1/logs?service=missing") as answer,
    ):
        assert answer.status == 404
        assert await answer.json() == {
            "error": "service `missing` is not balanced",
            "hint": "balanced services: `echo`",
        }


async def test_the_ninth_reader_is_refused_until_others_have_left(tmp_path: Path) -> None:
    async with FakeDaemon().open(tmp_path) as path, session(path) as client:
        readers = [await client.get("/v1/logs") for _ in range(8)]
        async with client.get("/v1/logs") as answer:
            assert answer.status == 503
            assert valid("Error", await answer.json())
        for reader in readers:
            reader.close()
        async with asyncio.timeout(60):
            while True:
                async with client.get("/v1/logs") as answer:
                    if answer.status == 200:
                        break


async def test_the_client_yields_lines_and_ends_when_it_is_closed(tmp_path: Path) -> None:
    daemon = FakeDaemon()
    daemon.printed = [FIRST, SECOND]
    async with daemon.open(tmp_path) as path:
        client = await asyncio.to_thread(Client, path)
        watch, found = client.logs(LogsRequest("echo")), list[LogLine]()
        reading = asyncio.create_task(in_thread(lambda: read(watch, found)))
        await wait_until_async(lambda: len(found) == 2)
        watch.close()
        await reading
    assert found == [FIRST, SECOND]


async def test_the_client_reads_on_from_a_successor_without_a_line_twice(tmp_path: Path) -> None:
    old, new = FakeDaemon(), FakeDaemon()
    old.printed, new.printed = [FIRST], [FIRST, SECOND]
    async with AsyncExitStack() as running:
        path = await running.enter_async_context(old.open(tmp_path))
        client = await asyncio.to_thread(Client, path)
        watch, found = client.logs(LogsRequest("echo")), list[LogLine]()
        reading = asyncio.create_task(in_thread(lambda: read(watch, found)))
        await wait_until_async(lambda: found)
        path.unlink()
        async with new.open(tmp_path):
            await running.aclose()
            await wait_until_async(lambda: len(found) == 2)
            watch.close()
            await reading
    assert found == [FIRST, SECOND]


async def test_the_client_says_when_composectl_has_ended(tmp_path: Path) -> None:
    async with FakeDaemon().open(tmp_path) as path:
        client = await asyncio.to_thread(Client, path)
    with pytest.raises(errors.HasEnded):
        await in_thread(lambda: list(client.logs(LogsRequest())))


async def test_a_refusal_reaches_the_client_whole(tmp_path: Path) -> None:
    async with FakeDaemon().open(tmp_path) as path:
        client = await asyncio.to_thread(Client, path)
        with pytest.raises(errors.ComposectlError) as raised:
            await in_thread(lambda: list(client.logs(LogsRequest("missing"))))
    assert (raised.value.message, raised.value.hint) == (
        "service `missing` is not balanced",
        "balanced services: `echo`",
    )


def read(watch: LogWatch, found: list[LogLine]) -> None:
    for line in watch:
        found.append(line)


async def in_thread(work: Callable[[], Any]) -> Sequence[Any] | None:
    return await asyncio.wait_for(asyncio.to_thread(work), 60)
