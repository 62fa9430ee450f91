"""What an event of the engine means to the replicas of a project: pure."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from threading import Thread
from types import TracebackType
from typing import Any

from composectl.balance.backend import Replica
from composectl.engine.containers import KILL, PROJECT, signal_number

Event = Mapping[str, Any]
# The engine matches an event by its beginning: `health_status: healthy` too. The checks' own `exec_*`, many each
# second, stay away.
FILTERS = {
    "type": ["container", "network"],
    "event": ["start", "kill", "die", "pause", "unpause", "health_status", "rename", "connect", "disconnect"],
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


def ends(kill: Event, replica: Replica) -> bool:
    """Whether this `kill` of the replica's container stops this run of it.

    It comes before `die`, by as much as the whole grace period. SIGHUP and the like mean nothing, and an event that
    is heard late must not stop the run that came after.
    """
    number = signal_number(_attributes(kill).get("signal", ""))
    return number in (KILL, replica.stop_signal) and _seconds(kill) >= _start(replica)


def is_over(event: Event, replica: Replica) -> bool:
    """Whether this event of the replica's container is the end of this run of it."""
    died = event.get("Type") == "container" and event.get("Action") == "die"
    return died and _seconds(event) >= _start(replica)


def has_left(event: Event, replica: Replica, listed: float) -> bool:
    """Whether the replica's container has left the network of its address, by this event of it.

    `listed`: when it was first listed at this address, in epoch seconds. What is heard late, or a second time, must not
    be taken for the end of a place that it has got since.
    """
    left = event.get("Type") == "network" and event.get("Action") == "disconnect"
    its_own = bool(replica.endpoint) and event.get("Actor", {}).get("ID") == replica.network
    return left and its_own and _seconds(event) > listed


class EngineEvents:
    """Iterates over the events of one subscription: ends when the engine was quiet for long, raises when it breaks.

    `read` blocks, and is read to its end by the thread; `close` makes it end.
    """

    def __init__(self, read: Iterable[Event], close: Callable[[], None]) -> None:
        self.close = close
        self._arrived: asyncio.Queue[Event | None] = asyncio.Queue()
        self._broken: Exception | None = None
        self._loop = asyncio.get_running_loop()
        Thread(target=self._read, args=(read,), name="engine events", daemon=True).start()

    def __enter__(self) -> EngineEvents:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __aiter__(self) -> EngineEvents:
        return self

    async def __anext__(self) -> Event:
        event = await self._arrived.get()
        if event is None:
            raise self._broken or StopAsyncIteration
        return event

    # Private

    def _read(self, read: Iterable[Event]) -> None:
        with suppress(RuntimeError):  # the loop has ended before the stream
            try:
                for event in read:
                    self._hand(event)
            except Exception as error:
                self._broken = error
            self._hand(None)

    def _hand(self, event: Event | None) -> None:
        self._loop.call_soon_threadsafe(self._arrived.put_nowait, event)


# Private


def _attributes(event: Event) -> Mapping[str, str]:
    return event.get("Actor", {}).get("Attributes") or {}


def _seconds(event: Event) -> float:
    return float(event.get("timeNano", math.inf)) / 1e9


def _start(replica: Replica) -> float:
    return datetime.fromisoformat(replica.started).timestamp()
