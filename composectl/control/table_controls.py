"""What the keys of the live table ask of a running composectl, as requests of its control API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from composectl.control.client import Client, LogWatch
from composectl.control.commands import BackendRef, LogsRequest, RolloutRequest, ScaleRequest


class TableControls:
    """Asks at the control socket `path`, anew each time: a successor may have taken over. Raises ComposectlError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def scale(self, service: str, count: int) -> Iterator[str]:
        yield from Client(self._path).scale(ScaleRequest({service: count}))

    def drain(self, service: str, number: int) -> Iterator[str]:
        yield from Client(self._path).drain(BackendRef(service, number))

    def undrain(self, service: str, number: int) -> Iterator[str]:
        yield from Client(self._path).undrain(BackendRef(service, number))

    def rollout(self, service: str) -> Iterator[str]:
        """From the compose files as they are now, as the running composectl reads them."""
        yield from Client(self._path).rollout(RolloutRequest((service,), rendered=""))

    def logs(self, service: str, number: int | None) -> LogWatch:
        return Client(self._path).logs(LogsRequest(service, number))
