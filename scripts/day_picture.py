"""A day of load in two minutes, and a picture of what became of it: `python -m scripts.day_picture URL SVG`."""

import asyncio
import math
import os
import random
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from bench.autoscale.picture import picture
from composectl.control.client import running_daemons
from composectl.control.paths import runtime_dir

SECONDS = 120.0
REQUEST = b"GET /?sleep=0.2 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
MOST = 26.0  # requests per second
LOOK_EVERY = 0.25

Point = tuple[float, float, int, int]


def rate(at: float) -> float:
    """Requests per second: a night, a morning, a lunch, an afternoon, and a night again."""
    hour = 24 * at / SECONDS
    if not 6 <= hour <= 21:
        return 0.0
    morning, afternoon = (math.exp(-(((hour - peak) / width) ** 2)) for peak, width in ((10.5, 2.2), (16.5, 2.6)))
    return MOST * (0.75 * morning + afternoon)


async def ask(host: str, port: int, failed: list[str]) -> None:
    try:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(REQUEST)
        answer = await reader.read()
        writer.close()
        if not answer.startswith(b"HTTP/1.1 200 "):
            failed.append(answer[:80].decode())
    except OSError as error:
        failed.append(repr(error))


async def load(host: str, port: int) -> tuple[int, list[str]]:
    """How many requests there were, and which failed."""
    generator, began, failed = random.Random(1), time.monotonic(), list[str]()
    async with asyncio.TaskGroup() as requests:
        sent = 0
        while (at := time.monotonic() - began) < SECONDS:
            await asyncio.sleep(generator.expovariate(MOST * 2))
            if generator.random() * MOST * 2 < rate(at):
                requests.create_task(ask(host, port, failed))
                sent += 1
    return sent, failed


async def watch() -> tuple[list[Point], list[Point]]:
    """What was in flight, and what was queued, each with the desired and the ready replicas."""
    (daemon,) = running_daemons(runtime_dir(os.environ))
    began, in_flight, queued = time.monotonic(), list[Point](), list[Point]()
    while (at := time.monotonic() - began) < SECONDS:
        (service,) = (await asyncio.to_thread(daemon.status))["services"]
        ready = sum(backend["phase"] == "ready" for backend in service["backends"])
        totals = service["totals"]
        in_flight.append((at, totals["in_flight"], service["desired"], ready))
        queued.append((at, totals["queued"], service["desired"], ready))
        await asyncio.sleep(LOOK_EVERY)
    return in_flight, queued


async def play(url: str) -> str:
    """The picture; how many requests there were, and which failed, is told."""
    place = urlsplit(url)
    (sent, failed), (in_flight, queued) = await asyncio.gather(load(place.hostname or "", place.port or 80), watch())
    sys.stdout.write(f"{sent} requests, {len(failed)} failed {failed[:3]}\n")
    return picture("A day in two minutes, echo=0..8", {"in flight": in_flight, "queued": queued}, SECONDS)


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(asyncio.run(play(sys.argv[1])))
