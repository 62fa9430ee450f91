"""The events of the engine: read by a thread, and what each means to the replicas of a project."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from threading import Thread
from typing import Any

from composectl.balance.backend import Replica
from composectl.engine.containers import KILL, PROJECT, signal_number

Event = Mapping[str, Any]
Filters = Mapping[str, Sequence[str]]
# The engine matches an event by its beginning: `health_status: healthy` too. The checks' own `exec_*`, many each
# second, stay away.
FILTERS: Filters = {
    "type": ["container", "network"],
    "event": ["create", "start", "kill", "die", "pause", "unpause", "health_status", "rename", "connect", "disconnect"],
}


def concerns(event: Event, project: str) -> bool:
    """Whether the replicas of `project` may have changed; a network's events do not name a project."""
    return event.get("Type") == "network" or _attributes(event).get(PROJECT) == project


def is_kill(event: Event) -> bool:
    """Whether the container was sent a signal, be it to stop it or for anything else."""
    return event.get("Type") == "container" and event.get("Action") == "kill"


def container_of(event: Event) -> str:
    """The id of the container that the event is about, be it a container's or a network's."""
    if event.get("Type") == "network":
        return _attributes(event).get("container", "")
    return str(event.get("Actor", {}).get("ID", ""))


def name_of(event: Event) -> str:
    """The name of the service or node of a swarm that the event is about."""
    return _attributes(event).get("name", "")


def ends(kill: Event, replica: Replica) -> bool:
    """Whether this `kill`, which comes before `die` by as much as the grace period, stops this run of the container.

    SIGHUP and the like mean nothing, and an event that is heard late must not stop the run that came after.
    """
    number = signal_number(_attributes(kill).get("signal", ""))
    return number in (KILL, replica.stop_signal) and _seconds(kill) >= _start(replica)


def gone_reason(event: Event, replica: Replica, listed: float) -> str:
    """Why the replica's address is not its own any more, by this event of its container; "" where it still is.

    `listed`: when it was first listed there, in epoch seconds; what is heard late does not end a later stay.
    """
    match event.get("Type"), event.get("Action"):
        case "container", "die" if _seconds(event) >= _start(replica):
            return "its container stopped"
        case "network", "disconnect" if replica.endpoint and event.get("Actor", {}).get("ID") == replica.network:
            return "its container stopped or left its network" if _seconds(event) > listed else ""
    return ""


@contextmanager
def stream_events(read: Iterable[Event], close: Callable[[], None]) -> Iterator[AsyncIterator[Event]]:
    """Iterate over the events of one subscription: it ends when the engine was quiet for long, raises when it breaks.

    `read` blocks, and is read to its end by a thread; leaving calls `close`, which makes it end.
    """
    arrived: asyncio.Queue[Event | Exception | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def follow() -> None:
        failure: Exception | None = None
        with suppress(RuntimeError):  # the loop has ended before the stream
            try:
                for event in read:
                    loop.call_soon_threadsafe(arrived.put_nowait, event)
            except Exception as error:
                failure = error
            loop.call_soon_threadsafe(arrived.put_nowait, failure)

    async def events() -> AsyncIterator[Event]:
        while isinstance(event := await arrived.get(), Mapping):
            yield event
        if event:
            raise event

    Thread(target=follow, name="engine events", daemon=True).start()
    try:
        yield events()
    finally:
        close()


# Private


def _attributes(event: Event) -> Mapping[str, str]:
    return event.get("Actor", {}).get("Attributes") or {}


def _seconds(event: Event) -> float:
    return float(event.get("timeNano", math.inf)) / 1e9


def _start(replica: Replica) -> float:
    return datetime.fromisoformat(replica.started).timestamp()
