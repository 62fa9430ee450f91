"""The course of a rollout: how few were ready and how many alive at any moment, from what was written down of it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime
from itertools import accumulate
from threading import Thread

from tests.support.compose_project import ComposeProject
from tests.support.wait import wait_until

_BORN, _DEAD = "start", "die"


class RolloutRecorder:
    """What happens to the service from now on, of which so many replicas are there and ready."""

    def __init__(self, project: ComposeProject, replicas: int) -> None:
        self._project = project
        self._replicas = replicas
        self._since = time.time()
        # The engine keeps its last 256 events alone, of which health checks are the most: listen from the beginning.
        self._events = project.engine.events(
            since=int(self._since),
            filters={"label": f"com.docker.compose.project={project.name}", "event": [_BORN, _DEAD]},
            decode=True,
        )
        self._steps: list[int] = []
        Thread(target=self._listen, daemon=True).start()

    def fewest_ready(self) -> int:
        """How few got requests, by every change that composectl made."""
        kept = [(_moment(change["at"]), change) for change in self._project.status()["changes"]]
        assert kept[0][0] < self._since, "the first changes are forgotten already"
        steps = [(change["to"] == "ready") - (change["from"] == "ready") for at, change in kept if at > self._since]
        return min(self._running_sums(steps))

    def most_alive(self) -> int:
        """How many were running, by the engine's own events; to be called once all is over."""
        assert wait_until(lambda: self._steps and self._running_sums(self._steps)[-1] == self._replicas)
        self._events.close()
        return max(self._running_sums(self._steps))

    # Private

    def _listen(self) -> None:
        for event in self._events:
            if event["timeNano"] > self._since * 1e9:
                self._steps.append(1 if event["Action"] == _BORN else -1)

    def _running_sums(self, steps: Iterable[int]) -> list[int]:
        return list(accumulate(steps, initial=self._replicas))


def _moment(text: str) -> float:
    """Epoch seconds of what is ISO 8601."""
    return datetime.fromisoformat(text).timestamp()
