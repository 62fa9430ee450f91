"""What becomes of a request when its backend, or its client, fails."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from tests.proxy.conftest import OpenStage
from tests.proxy.messages import GET, OK, get, post, put, status
from tests.proxy.scripted import ScriptedBackend, answers
from tests.proxy.stage import Stage
from tests.proxy.wire import Wire, eventually

MEGABYTE = 1024 * 1024


async def hangs_up(wire: Wire) -> None:
    await wire.head()
    wire.close()


def requests_heard(backend: ScriptedBackend) -> int:
    return sum(wire.received.count(b" HTTP/1.1\r\n") for wire in backend.wires)


async def test_b1_a_get_whose_backend_hangs_up_is_answered_by_another(open_stage: OpenStage) -> None:
    stage = await open_stage(2)
    stage.backends[0].play(hangs_up)
    stage.backends[1].play(answers(OK))
    client = await stage.client()
    await client.send(GET)
    assert status(await client.head()) == 200
    tally = stage.pool.tally()
    assert (tally.retried, tally.failed, stage.pool.requests) == (1, 0, 1)


async def test_b1_with_nobody_else_it_is_a_502(stage: Stage) -> None:
    stage.backend.play(hangs_up)
    client = await stage.client()
    await client.send(GET)
    head = await client.head()
    assert status(head) == 502
    assert b"X-Composectl-Error: backend-hung-up\r\n" in head
    assert stage.pool.tally().failed == 1


async def test_d7_a_post_is_executed_once(open_stage: OpenStage) -> None:
    stage = await open_stage(2)

    async def resets_after_the_body(wire: Wire) -> None:
        await wire.head()
        await wire.exactly(5)
        wire.reset()

    for backend in stage.backends:
        backend.play(resets_after_the_body)
    client = await stage.client()
    await client.send(post(b"hello"))
    assert status(await client.head()) == 502
    assert sum(requests_heard(backend) for backend in stage.backends) == 1


async def test_d9_a_put_is_sent_again_whole(open_stage: OpenStage) -> None:
    stage = await open_stage(2)
    stage.backends[0].play(hangs_up)
    client = await stage.client()
    await client.send(put(b"hello"))
    second = await stage.backends[1].accept()
    await second.head()
    assert await second.exactly(5) == b"hello"
    await second.send(OK)
    assert status(await client.head()) == 200


async def test_p3_nobody_is_asked_after_two_others(open_stage: OpenStage) -> None:
    stage = await open_stage(5)
    for backend in stage.backends:
        backend.play(hangs_up)
    client = await stage.client()
    await client.send(GET)
    assert status(await client.head()) == 502
    assert sum(requests_heard(backend) for backend in stage.backends) == 3


async def test_d1_refused_by_all_is_a_502(open_stage: OpenStage) -> None:
    stage = await open_stage(2)
    for backend in stage.backends:
        backend.refuse()
    client = await stage.client()
    await client.send(post(b"hello"))
    head = await client.head()
    assert status(head) == 502
    assert b"X-Composectl-Error: backend-unreachable\r\n" in head


async def test_d5_nobody_ready_is_a_503_and_the_connection_stays(stage: Stage) -> None:
    stage.observe([])
    client = await stage.client()
    for _ in range(2):
        await client.send(GET)
        head = await client.head()
        assert status(head) == 503
        assert b"Retry-After: 1\r\n" in head
        await client.exactly(len(b"503 Service Unavailable\n"))
    assert stage.pool.requests == stage.pool.unserved == 2


async def test_d6_one_of_two_is_dead_and_nobody_notices(open_stage: OpenStage) -> None:
    stage = await open_stage(2)
    stage.backends[0].refuse()
    stage.backends[1].play(answers(OK))
    client = await stage.client()
    for number in range(200):
        await client.send(post(b"hello") if number % 2 else GET)
        assert status(await client.head()) == 200
        await client.exactly(2)
    assert stage.phases() == ["failing", "ready"]
    assert stage.pool.tally().failed == 0


@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
    ],
    ids=["length", "chunk"],
)
async def test_d3_a_body_that_breaks_off_never_looks_whole(stage: Stage, start: bytes) -> None:
    client, backend = await stage.ask(GET)
    await backend.head()
    await backend.send(start)
    await client.until(b"hel")
    backend.reset()
    rest = await client.rest()
    assert b"0\r\n\r\n" not in rest
    assert len(rest) < 5
    assert stage.pool.tally().failed == 1


async def test_b13_an_early_answer_stops_the_upload(stage: Stage) -> None:
    client, backend = await stage.ask(post(b"hello", 1_000_000))
    await backend.head()
    await backend.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
    head = await client.head()
    assert status(head) == 413
    assert b"Connection: close\r\n" in head
    await eventually(lambda: not stage.pool.tally().in_flight)


async def test_p8_a_client_that_leaves_before_the_head_takes_its_backend_along(stage: Stage) -> None:
    client, backend = await stage.ask(GET)
    await backend.head()
    client.close()
    await backend.rest()
    assert stage.pool.tally().failed == 0


async def test_p8_a_client_that_leaves_during_its_upload_leaves_no_whole_request(stage: Stage) -> None:
    client, backend = await stage.ask(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    await backend.until(b"hello")
    client.close()
    assert b"0\r\n\r\n" not in await backend.rest()


async def test_p8_a_client_that_leaves_during_its_download_stops_it(stage: Stage) -> None:
    client, backend = await stage.ask(GET)
    await backend.head()
    await backend.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhello")
    await client.until(b"hello")
    client.reset()
    await backend.rest()


async def test_c17_the_backend_decides_whether_to_continue(stage: Stage) -> None:
    client, backend = await stage.ask(post(b"", 5).replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
    assert b"Expect: 100-continue\r\n" in await backend.head()
    assert client.silent()
    await backend.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert await client.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
    await client.send(b"hello")
    assert await backend.exactly(5) == b"hello"
    await backend.send(OK)
    assert status(await client.head()) == 200


@pytest.mark.parametrize("size", [MEGABYTE, 100 * MEGABYTE])
async def test_e1_bodies_are_the_same_at_the_other_end(stage: Stage, size: int) -> None:
    piece = bytes(range(256)) * 256
    sent, came_up, came_down = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()

    async def sends(wire: Wire) -> None:
        for _ in range(size // len(piece)):
            await wire.send(piece)

    client, backend = await stage.ask(post(b"", size))
    await backend.head()
    upload = asyncio.create_task(sends(client))
    for _ in range(size // len(piece)):
        sent.update(piece)
        came_up.update(await backend.exactly(len(piece)))
    await upload
    await backend.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
    download = asyncio.create_task(sends(backend))
    await client.head()
    for _ in range(size // len(piece)):
        came_down.update(await client.exactly(len(piece)))
    await download
    assert came_up.digest() == came_down.digest() == sent.digest()


async def test_a_request_that_is_not_answered_is_no_hindrance_to_others(stage: Stage) -> None:
    _, silent = await stage.ask(GET)
    await silent.head()
    other, backend = await stage.ask(get("/other"))
    await backend.head()
    await backend.send(OK)
    assert status(await other.head()) == 200
