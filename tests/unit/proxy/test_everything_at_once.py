"""Clients, backends and the pool do what they like, all at once: each answer belongs to its request."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from random import Random

import pytest

from composectl.balance.policy import LeastRequest
from tests.support.messages import get, ok, status
from tests.support.proxy_fixture import OpenStage, ProxyFixture
from tests.support.raw_http import ConnectionEnded, RawConnection

CLIENTS = 40
REQUESTS = 15
ENOUGH = 200  # requests that backends have heard
ROUNDS = 50


class Moody:
    """A backend that answers with the path that it was asked for, if at all; `heard` counts methods and paths.

    Its mood hangs on the request, and on how often that was heard: it is the same whichever client is faster.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.heard: Counter[tuple[bytes, bytes]] = Counter()

    async def serve(self, wire: RawConnection) -> None:
        while True:
            head = await wire.head()
            method, path, _ = head.split(b" ", 2)
            self.heard[method, path] += 1
            random = Random(f"{self._seed}/{path!r}/{self.heard[method, path]}")
            early = random.random() < 0.1
            if early:
                await wire.send(ok(path))
            await self._read_body(wire, head)
            if not early and not await self._answer(wire, path, random):
                wire.close()
                return

    async def _read_body(self, wire: RawConnection, head: bytes) -> None:
        if length := re.search(rb"Content-Length: (\d+)", head):
            await wire.exactly(int(length[1]))
        elif b"chunked" in head:
            await wire.until(b"0\r\n\r\n")

    async def _answer(self, wire: RawConnection, path: bytes, random: Random) -> bool:
        """Returns whether the connection may go on."""
        mood = random.randrange(12)
        length = b"%x" % len(path)
        if mood == 0:
            wire.reset()
            return False
        if mood == 1:
            await wire.send(ok(path)[:-1])
            return False
        if mood == 2:
            await wire.send(b"HTTP/1.0 200 OK\r\n\r\n" + path)
            return False
        if mood == 3:
            await wire.send(b"no response at all\r\n\r\n")
            return False
        if mood == 4:
            await wire.send(ok(path) + b"HTTP/1.1 200 OK\r\nX-Surplus: 1")
            return True
        if mood < 8:
            await wire.send(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(random.randrange(100)):
                await asyncio.sleep(0)
            await wire.send(length + b"\r\n" + path + b"\r\n0\r\n\r\n")
            return True
        await wire.send(ok(path))
        return True


def made_up(random: Random, path: str) -> bytes:
    body = b"x" * random.randrange(200_000)
    switch = ["Connection: Upgrade", "Upgrade: h2c"] if random.random() < 0.2 else []
    head = get(path, *switch)[:-2]
    sized = b"Content-Length: %d\r\n\r\n" % len(body) + body
    chunked = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body) or 1, body or b"x")
    return random.choice(
        [
            head + b"\r\n",
            head.replace(b"GET", b"PUT") + sized,
            head.replace(b"GET", b"POST") + random.choice((sized, chunked)),
        ]
    )


async def visit(stage: ProxyFixture, shuffler: Shuffler, seed: int, name: str) -> None:
    """Send requests, some of them at once, and leave, sometimes in the middle."""
    client, random = await stage.client(), Random(f"{seed}/{name}")
    paths = [f"/{name}/{number}" for number in range(REQUESTS)]
    while paths:
        together = [paths.pop(0) for _ in range(min(len(paths), random.choice((1, 1, 3))))]
        requests = b"".join(made_up(random, path) for path in together)
        if random.random() < 0.05:
            await client.send(requests[: random.randrange(len(requests))])
            client.reset()
            return
        sending = asyncio.create_task(client.send(requests))
        went_on = [await hear(client, path.encode()) for path in together]
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        if random.random() < 0.2:
            shuffler.shuffle()
        if not all(went_on):
            return


async def hear(client: RawConnection, path: bytes) -> bool:
    """Take one answer: if it is whole, it must belong to this request, or be an error of the proxy's own.

    Returns whether the connection goes on.
    """
    try:
        head, body = await answer(client)
    except (ConnectionEnded, ConnectionError):
        return False
    if b"X-Composectl-Error: " in head:
        assert status(head) in (502, 503)
    else:
        assert (status(head), body) == (200, path)
    return b"Connection: close" not in head


async def answer(client: RawConnection) -> tuple[bytes, bytes]:
    head = await client.head()
    while status(head) == 103:
        head = await client.head()
    if b"chunked" in head:
        body = b""
        while size := int(await client.until(b"\r\n"), 16):
            body += (await client.exactly(size + 2))[:-2]
        await client.exactly(2)
        return head, body
    length = re.search(rb"Content-Length: (\d+)", head)
    return head, await client.exactly(int(length[1]) if length else 0)


class Shuffler:
    """Lets backends leave, start anew, fail and recover, now and then when a client has its answers."""

    def __init__(self, stage: ProxyFixture, seed: int) -> None:
        self._stage = stage
        self._random = Random(f"{seed}/shuffler")
        self._runs = 0

    def shuffle(self) -> None:
        self._stage.server.sweep()
        backends = self._stage.pool.backends
        event = self._random.randrange(4)
        if event == 0:
            self._runs += 1
            self._stage.observe(self._random.sample(range(4), 3), run=f"run {self._runs}")
        elif event == 1:
            self._stage.leave(self._random.randrange(4))
        elif backends:
            if self._random.random() < 0.5:
                self._stage.pool.checked(self._random.choice(backends), None)
            else:
                self._stage.eject(self._random.randrange(len(backends)))


@pytest.mark.parametrize("seed", range(6))
async def test_every_answer_is_the_answer_to_its_request(open_stage: OpenStage, seed: int) -> None:
    stage = await open_stage(4, policy=LeastRequest)
    moody = Moody(seed)
    for backend in stage.backends:
        backend.play(moody.serve)
    await until_enough_is_heard(stage, moody, seed)
    assert all(count == 1 for (method, _), count in moody.heard.items() if method == b"POST")


async def until_enough_is_heard(stage: ProxyFixture, moody: Moody, seed: int) -> None:
    """Let clients visit, round by round."""
    shuffler = Shuffler(stage, seed)
    for turn in range(ROUNDS):
        async with asyncio.TaskGroup() as visits:
            for number in range(CLIENTS):
                visits.create_task(visit(stage, shuffler, seed, f"{turn}-{number}"))
        if len(moody.heard) >= ENOUGH:
            return
    raise AssertionError(f"of {ROUNDS * CLIENTS * REQUESTS} requests, backends have heard {len(moody.heard)}")
