"""`python -m bench.soaking [MINUTES] [--workers N]`: the soak, and its page."""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from pathlib import Path

import uvloop

from bench.backends import Backends, serving
from bench.cores import in_place
from bench.machine import machine
from bench.parts.part import Target
from bench.peers.ours import NAME, composectl
from bench.peers.peer import Place
from bench.ports import free_ports
from bench.process import descriptors, family, proportional
from bench.soaking import aborting, clients
from bench.soaking.clients import Client
from bench.soaking.echo import echoing
from bench.soaking.outcomes import Outcomes
from bench.soaking.page import Soak, page
from bench.soaking.samples import Held, mean

_HOME = Path(__file__).parents[2]
_PAGE = _HOME / "bench" / "SOAK.md"
_DEFAULT_MINUTES = 10.0
_EVERY_SECONDS = 5
_REST_SECONDS = 8.0

# So many of each at once
_CLIENTS: dict[Client, int] = {
    clients.keep_alive: 1,
    clients.churn: 1,
    clients.downloads: 1,
    clients.upload: 4,
    clients.websocket: 50,
    aborting.mid_head: 2,
    aborting.mid_upload: 2,
    aborting.mid_download: 2,
    aborting.mid_frame: 2,
}


def main(minutes: float, workers: int) -> int:
    """Soak, print the page, write it down where the soak was long enough. Returns the exit code."""
    subprocess.run([_HOME / "bench" / "prepare"], check=True)
    with in_place(), tempfile.TemporaryDirectory() as name:
        soak = uvloop.run(_terminable(_soak(minutes, workers, Path(name))))
    print(page(soak))
    if minutes >= _DEFAULT_MINUTES:
        _PAGE.write_text(put_into(_PAGE.read_text(), page(soak)))
    return 0 if soak.passed else 1


def put_into(pages: str, page: str) -> str:
    """`pages` with this one, in place of the one of the same title, or behind all."""
    title = page.partition("\n")[0]
    others = [other for other in re.split(r"(?m)^(?=# )", pages) if other.partition("\n")[0] != title]
    return "\n".join(sorted([*(other.strip() + "\n" for other in others if other.strip()), page.strip() + "\n"]))


# Private


async def _terminable(soak: Coroutine[None, None, Soak]) -> Soak:
    """A SIGTERM ends the task, and all that it has started with it; raised in a callback, uvloop would swallow it."""
    soaking = asyncio.create_task(soak)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, soaking.cancel)
    try:
        return await soaking
    except asyncio.CancelledError:
        raise SystemExit(128 + signal.SIGTERM) from None


async def _soak(minutes: float, workers: int, folder: Path) -> Soak:
    port, backend_port, echo_port = free_ports(3)
    backends = Backends(4, backend_port)
    place = Place(port, backends, folder / "proxy")
    place.folder.mkdir(mode=0o700)
    async with echoing(echo_port):
        proxy = composectl("composectl", options=lambda _: ("--workers", str(workers)))
        with serving(backends, folder, echo_port), proxy.start(place) as pid:
            return await _soaked(Target(pid, port, place.folder), minutes, workers)


async def _soaked(target: Target, minutes: float, workers: int) -> Soak:
    outcomes, begun = Outcomes(), time.monotonic()
    before = _held(target.pid, begun)
    held = await _all_at_once(target, begun, minutes * 60, outcomes)
    await asyncio.sleep(_REST_SECONDS)
    after = _held(target.pid, begun)
    counted = await asyncio.to_thread(_counted, target.folder)
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    return Soak(date, machine(), minutes, outcomes, held, (before, after), counted, workers, _commit())


async def _all_at_once(target: Target, begun: float, seconds: float, outcomes: Outcomes) -> Sequence[Held]:
    held: list[Held] = []
    over = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for client, count in _CLIENTS.items():
            for _ in range(count):
                group.create_task(_repeat(client, target.port, outcomes, over))
        while time.monotonic() < begun + seconds:
            held.append(await _held_meanwhile(target.pid, begun))
        over.set()
    return held


async def _repeat(client: Client, port: int, outcomes: Outcomes, over: asyncio.Event) -> None:
    while not over.is_set():
        try:
            await client(port, outcomes)
        except Exception as error:
            outcomes.failed(client.__name__, repr(error)[:100])
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), 1)


async def _held_meanwhile(pid: int, begun: float) -> Held:
    """The next sample: the means of some seconds, for connections come and go."""
    readings = []
    for _ in range(_EVERY_SECONDS):
        await asyncio.sleep(1)
        readings.append(_held(pid, begun))
    return mean(readings)


def _held(pid: int, begun: float) -> Held:
    processes = family(pid)
    return Held(time.monotonic() - begun, sum(map(proportional, processes)), sum(map(descriptors, processes)))


def _counted(folder: Path) -> str:
    command = [sys.executable, "-m", "composectl", "-p", NAME, "status", "--json"]
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    totals = json.loads(done.stdout)["services"][0]["totals"]
    return ", ".join(f"{totals[key]:,} {key}" for key in ("requests", "in_flight", "failed", "retried"))


def _commit() -> str:
    command = ["git", "-C", str(_HOME), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="bench/soak", description="Everything at once for some minutes.")
    parser.add_argument("minutes", type=float, nargs="?", default=_DEFAULT_MINUTES, help="10")
    parser.add_argument("--workers", type=int, default=1, help="the processes that serve; 1")
    words = parser.parse_args()
    sys.exit(main(words.minutes, words.workers))
