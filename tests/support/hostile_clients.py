"""A crowd on a control socket, in a process of its own: `python -m tests.support.hostile_clients SOCKET`.

At SIGTERM it prints how many answers the patient ones among it got, and ends.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import NoReturn

ASK = b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"
EVENTS = b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /v1/scale HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
GIBIBYTE = 2**30
PIECE = b"x" * 65536
_PAUSE = 0.05

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Patient:
    """Asks, reads, and asks again."""

    def __init__(self) -> None:
        self.answers = 0

    async def behave(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(ASK)
            head = await reader.readuntil(b"\r\n\r\n")
            (length,) = (int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:"))
            await reader.readexactly(length)
            self.answers += 1


async def never_reads(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: bytes) -> None:
    reader._transport.pause_reading()  # type: ignore[attr-defined]
    for _ in range(1000):
        writer.write(asked)
        await writer.drain()
    await asyncio.Event().wait()


async def says_half(_: asyncio.StreamReader, writer: asyncio.StreamWriter, half: bytes) -> None:
    writer.write(half)
    await asyncio.Event().wait()


async def talks_garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\0\xff garbage\r\n\r\n" * 100)
    await reader.read()


async def never_ends(_: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
    writer.write(head)
    for _ in range(GIBIBYTE // len(PIECE)):
        writer.write(b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if head else PIECE)
        await writer.drain()


async def again_and_again(path: str, behave: Behaviour) -> NoReturn:
    while True:
        with suppress(OSError, EOFError):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                await behave(reader, writer)
            finally:
                writer.transport.abort()
        await asyncio.sleep(_PAUSE)


async def main(path: str) -> None:
    patient, over = Patient(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    crowd: list[Behaviour] = [patient.behave] * 1000 + [talks_garbage] * 10
    crowd += [partial(never_reads, asked=ASK), partial(never_reads, asked=EVENTS)] * 5
    crowd += [partial(says_half, half=b""), partial(says_half, half=ASK[:-2])] * 25
    crowd += [partial(never_ends, head=b""), partial(never_ends, head=POST)]
    tasks = [asyncio.create_task(again_and_again(path, behave)) for behave in crowd]
    await over.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    print(patient.answers)  # noqa: T201 - what it is for


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
