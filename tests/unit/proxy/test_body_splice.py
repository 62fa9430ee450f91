"""Large bodies of known length go through the kernel where it can move them, and differ in nothing else."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Iterator

import pytest

from composectl.balance.policy import RoundRobin
from composectl.proxy.access_log import AccessLog
from composectl.proxy.errors import ErrorReason
from composectl.proxy.limits import Limits
from composectl.proxy.splice import CAN_SPLICE, PIPES
from tests.support.descriptors import exhausted, in_use
from tests.support.messages import GET, OK, ok, post, put, status
from tests.support.proxy_fixture import OpenStage, ProxyFixture
from tests.support.raw_http import RawConnection, fill
from tests.support.wait import wait_until_async
from tests.support.written_log import Logged, Written

SIZE = 12_000_000
BODY = os.urandom(1_000_000) * 12
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE
PART = 6_000_000
NARROW = 64 * 1024  # so that what is on its way is far less than a body
_NO_PIPE_LEFT = 1_000_000


@pytest.fixture(params=["spliced", "relayed"])
def through_kernel(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Whether the kernel moves bodies: where it does not, so many pipes are in use that none may be added."""
    spliced: bool = request.param == "spliced" and CAN_SPLICE
    taken = 0 if spliced else _NO_PIPE_LEFT
    PIPES.in_use += taken
    yield spliced
    PIPES.in_use -= taken


@pytest.fixture
async def open_logged(open_stage: OpenStage, through_kernel: bool) -> AsyncIterator[OpenStage]:
    before = PIPES.in_use

    async def opened(backends: int = 1, **how: object) -> Logged:
        written = Written()
        log = AccessLog(written, written.line)
        return Logged(await open_stage(backends, receive_buffer=NARROW, log=log, **how), log, written)

    yield opened  # type: ignore[misc]
    await wait_until_async(lambda: before == PIPES.in_use)


@pytest.fixture
async def logged(open_logged: OpenStage) -> Logged:
    return await open_logged()  # type: ignore[return-value]


async def downloading(stage: ProxyFixture, sent: bytes = BODY) -> tuple[RawConnection, RawConnection]:
    """A client that has got the head of a large response, and the backend that sends it in the background."""
    client = await stage.client(receive_buffer=NARROW)
    await client.send(GET)
    backend = await stage.backend.accept()
    await backend.head()
    await backend.send(HEAD)
    backend.sending = asyncio.create_task(backend.send(sent))  # type: ignore[attr-defined]
    assert status(await client.head()) == 200
    return client, backend


async def uploading(stage: ProxyFixture, sent: bytes = BODY) -> tuple[RawConnection, RawConnection]:
    """A client that sends a large request in the background, and the backend that has got its head."""
    client, backend = await stage.ask(post(b"", SIZE))
    client.sending = asyncio.create_task(client.send(sent))  # type: ignore[attr-defined]
    await backend.head()
    return client, backend


async def cancel(sender: RawConnection) -> None:
    sender.sending.cancel()  # type: ignore[attr-defined]
    await asyncio.wait([sender.sending])  # type: ignore[attr-defined]


async def take(receiver: RawConnection, size: int) -> tuple[bytes, bool]:
    """So many bytes, and whether a pipe was in use meanwhile."""
    taken, seen = bytearray(), False
    async for piece in receiver.stream():
        taken += piece
        seen = seen or bool(PIPES.in_use)
        if len(taken) >= size:
            break
    return bytes(taken), seen


async def until_moving(through_kernel: bool, receiver: RawConnection) -> int:
    """Take what comes until a pipe is in use, or enough for that where none may be; returns how much that was."""
    taken = 0
    async for piece in receiver.stream():
        taken += len(piece)
        if PIPES.in_use if through_kernel else taken > 1_000_000:
            break
    return taken


# Whole bodies


async def test_e1_a_response_arrives_whole_and_both_connections_go_on(logged: Logged) -> None:
    client, backend = await downloading(logged.stage)
    assert await take(client, SIZE) == (BODY, True)
    assert (await logged.only()).sent == SIZE
    await client.send(GET)
    await backend.head()
    await backend.send(OK)
    assert await client.until(b"ok")


async def test_e1_an_upload_arrives_whole_and_both_connections_go_on(logged: Logged) -> None:
    client, backend = await uploading(logged.stage)
    assert await take(backend, SIZE) == (BODY, True)
    await backend.send(OK)
    assert await client.until(b"ok")
    assert (await logged.only()).received == SIZE
    await client.send(GET)
    await backend.head()
    await backend.send(OK)
    assert await client.until(b"ok")


async def test_e1_a_request_behind_a_large_one_is_answered(logged: Logged) -> None:
    client, backend = await uploading(logged.stage, BODY + GET)
    assert await backend.exactly(SIZE) == BODY
    await backend.send(OK)
    assert (await backend.head()).startswith(b"GET / ")
    await backend.send(OK)
    assert await client.until(b"ok")
    assert await client.until(b"ok")


async def test_e1_both_ways_at_once(logged: Logged) -> None:
    client, backend = await uploading(logged.stage)
    await backend.send(HEAD)
    await client.head()
    sending = asyncio.create_task(backend.send(BODY[:-1]))  # the upload would end with the response
    up, down = await asyncio.gather(backend.exactly(SIZE), client.exactly(SIZE - 1))
    await sending
    await backend.send(BODY[-1:])
    assert up == BODY
    assert down + await client.exactly(1) == BODY
    entry = await logged.only()
    assert (entry.received, entry.sent) == (SIZE, SIZE)


async def test_e1_small_pipes_do_as_well(logged: Logged, through_kernel: bool) -> None:
    PIPES.close()
    if through_kernel:
        reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
        PIPES.in_use += 1
        PIPES.give_back((reading, writing))
    client, _ = await downloading(logged.stage)
    assert await client.exactly(SIZE) == BODY
    PIPES.close()


async def test_d11_without_descriptors_bodies_go_on(logged: Logged) -> None:
    client, backend = await downloading(logged.stage, BODY[:PART])
    await client.exactly(PART)
    PIPES.close()
    with exhausted():
        await backend.send(BODY[PART:])
        assert await client.exactly(SIZE - PART) == BODY[PART:]
    await client.send(post(b"", SIZE))
    await backend.head()
    with exhausted():
        sending = asyncio.create_task(client.send(BODY))
        assert await backend.exactly(SIZE) == BODY
        await sending


# Bodies of another length than they should have


async def test_b8_of_a_response_that_is_too_long_nothing_more_goes_on(logged: Logged) -> None:
    client, backend = await downloading(logged.stage, BODY + OK)
    assert await client.exactly(SIZE) == BODY
    await backend.rest()
    await client.send(GET)
    other = await logged.stage.backend.accept()
    await other.head()
    await other.send(ok(b"another"))
    assert status(await client.head()) == 200
    assert await client.exactly(7) == b"another"


@pytest.mark.parametrize("leave", [RawConnection.close, RawConnection.half_close], ids=["closes", "half-closes"])
async def test_d3_a_response_that_is_too_short_ends_behind_all_that_came(logged: Logged, leave: object) -> None:
    client, backend = await downloading(logged.stage, BODY[:PART])
    reading = asyncio.create_task(client.rest())
    await backend.sending  # type: ignore[attr-defined]
    assert callable(leave)
    leave(backend)
    assert await reading == BODY[:PART]
    entry = await logged.only()
    assert (entry.status, entry.error, entry.sent) == (200, ErrorReason.BACKEND_HUNG_UP, PART)


async def test_d3_a_response_that_is_broken_off_never_looks_whole(logged: Logged, through_kernel: bool) -> None:
    client, backend = await downloading(logged.stage, BODY[:PART])
    taken = await until_moving(through_kernel, client)
    await cancel(backend)
    backend.reset()
    assert taken + len(await client.rest()) < SIZE
    assert (await logged.only()).error == ErrorReason.BACKEND_HUNG_UP


@pytest.mark.parametrize(
    "leave",
    [RawConnection.close, RawConnection.reset, RawConnection.half_close],
    ids=["closes", "resets", "half-closes"],
)
async def test_e10_an_upload_that_is_cut_never_looks_whole(logged: Logged, through_kernel: bool, leave: object) -> None:
    client, backend = await uploading(logged.stage, BODY[:PART])
    taken = await until_moving(through_kernel, backend)
    await cancel(client)
    assert callable(leave)
    leave(client)
    assert taken + len(await backend.rest()) < SIZE
    entry = await logged.only()
    assert (entry.status, entry.error) == (499, ErrorReason.CLIENT_LEFT)
    assert taken <= entry.received < SIZE


@pytest.mark.parametrize("leave", [RawConnection.close, RawConnection.reset], ids=["closes", "resets"])
async def test_f1_a_client_that_leaves_a_response_ends_it(logged: Logged, through_kernel: bool, leave: object) -> None:
    client, backend = await downloading(logged.stage, BODY[:PART])
    taken = await until_moving(through_kernel, client)
    assert callable(leave)
    leave(client)
    assert await backend.rest() == b""
    await cancel(backend)
    entry = await logged.only()
    assert (entry.status, entry.error) == (200, ErrorReason.CLIENT_LEFT)
    assert taken <= entry.sent < SIZE


async def test_a_cut_resets_the_client_and_ends_the_backend(logged: Logged, through_kernel: bool) -> None:
    client, backend = await downloading(logged.stage, BODY[:PART])
    await until_moving(through_kernel, client)
    await cancel(backend)
    logged.stage.server.cut(logged.stage.pool.backends[0])
    assert await client.was_reset()
    await backend.rest()
    assert (await logged.only()).error == ErrorReason.CUT


# Backends that fail an upload


async def test_b13_an_early_response_ends_the_upload(logged: Logged, through_kernel: bool) -> None:
    client, backend = await uploading(logged.stage, BODY[:PART])
    await until_moving(through_kernel, backend)
    await backend.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno")
    assert status(await client.head()) == 413
    assert await client.exactly(2) == b"no"
    await cancel(client)
    assert (await logged.only()).status == 413


async def test_d7_a_backend_that_dies_in_an_upload_is_a_502(open_logged: OpenStage, through_kernel: bool) -> None:
    logged: Logged = await open_logged(2, policy=RoundRobin)  # type: ignore[assignment]
    client, backend = await uploading(logged.stage, BODY[:PART])
    await until_moving(through_kernel, backend)
    backend.reset()
    assert status(await client.head()) == 502
    await cancel(client)
    assert logged.stage.backends[1].untouched()
    assert (await logged.only()).attempts == 1


async def test_d9_a_body_that_is_kept_goes_to_another_backend_whole(open_logged: OpenStage) -> None:
    logged: Logged = await open_logged(2, policy=RoundRobin)  # type: ignore[assignment]
    body = BODY[:1_000_000]
    client = await logged.stage.client()
    sending = asyncio.create_task(client.send(put(body)))
    first = await logged.stage.backend.accept()
    await first.head()
    await first.exactly(len(body))
    assert not PIPES.in_use % _NO_PIPE_LEFT
    first.reset()
    second = await logged.stage.backends[1].accept()
    await second.head()
    assert await second.exactly(len(body)) == body
    await second.send(OK)
    assert await client.until(b"ok")
    await sending


async def test_d9_a_body_that_is_too_large_to_keep_goes_to_no_other_backend(
    open_logged: OpenStage, through_kernel: bool
) -> None:
    logged: Logged = await open_logged(2, policy=RoundRobin)  # type: ignore[assignment]
    client = await logged.stage.client()
    sending = asyncio.create_task(client.send(put(BODY)[:-1]))
    backend = await logged.stage.backend.accept()
    await backend.head()
    assert await backend.exactly(PART) == BODY[:PART]
    backend.reset()
    assert status(await client.head()) == 502
    sending.cancel()
    assert logged.stage.backends[1].untouched()


# Slow ends


async def test_e5_a_client_that_stops_reading_pauses_the_backend(logged: Logged, through_kernel: bool) -> None:
    client = await logged.stage.client(receive_buffer=NARROW)
    await client.send(GET)
    backend = await logged.stage.backend.accept()
    await backend.head()
    many = 8 * SIZE
    await backend.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % many)
    assert status(await client.head()) == 200
    assert await fill(backend) < many
    logged.stage.seconds_pass(200)
    assert client.silent() is False
    client.reset()
    await backend.rest()
    assert (await logged.only()).error == ErrorReason.CLIENT_LEFT


async def test_d4_a_response_that_stalls_is_ended(open_logged: OpenStage) -> None:
    logged: Logged = await open_logged(limits=Limits(idle_timeout=5))  # type: ignore[assignment]
    client, backend = await downloading(logged.stage, BODY[:PART])
    await client.exactly(PART)
    for at in range(PART, PART + 5):
        logged.stage.seconds_pass(4)
        await backend.send(BODY[at : at + 1])
        assert await client.exactly(1) == BODY[at : at + 1]
    logged.stage.seconds_pass(7)
    assert await client.rest() == b""
    assert (await logged.only()).error == ErrorReason.BACKEND_TOO_SLOW


async def test_e6_an_upload_of_a_byte_now_and_then_is_not_ended(open_logged: OpenStage) -> None:
    logged: Logged = await open_logged(limits=Limits(idle_timeout=5, response_timeout=5))  # type: ignore[assignment]
    client, backend = await uploading(logged.stage, BODY[:PART])
    await backend.exactly(PART)
    for at in range(PART, PART + 5):
        logged.stage.seconds_pass(100)
        await client.send(BODY[at : at + 1])
        assert await backend.exactly(1) == BODY[at : at + 1]
    await client.send(BODY[PART + 5 :])
    await backend.exactly(SIZE - PART - 5)
    await backend.send(OK)
    assert await client.until(b"ok")


async def test_nothing_is_left_behind(logged: Logged) -> None:
    client, backend = await downloading(logged.stage)
    await client.exactly(SIZE)
    PIPES.close()
    before = in_use()
    for _ in range(5):
        await client.send(GET)
        await backend.head()
        await backend.send(HEAD)
        sending = asyncio.create_task(backend.send(BODY))
        await client.head()
        assert await client.exactly(SIZE) == BODY
        await sending
    PIPES.close()
    assert in_use() == before
