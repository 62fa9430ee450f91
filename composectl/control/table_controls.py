"""What the keys of the live table ask of a running composectl, as requests of its control API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from composectl.control.client import Client, LogWatch
from composectl.control.commands import BackendRef, LogsRequest, RolloutRequest, ScaleRequest
from composectl.control.listener_fds import translated_errors


class TableControls:
    """Asks the composectl with this `pid` at its control socket, or a successor that has taken over meanwhile.

    Raises ComposectlError.
    """

    def __init__(self, path: Path, pid: int) -> None:
        self._path = path
        self._pid = pid

    def scale(self, service: str, count: int) -> Iterator[str]:
        yield from self._client().scale(ScaleRequest({service: count}))

    def drain(self, service: str, number: int) -> Iterator[str]:
        yield from self._client().drain(BackendRef(service, number))

    def undrain(self, service: str, number: int) -> Iterator[str]:
        yield from self._client().undrain(BackendRef(service, number))

    def rollout(self, service: str) -> Iterator[str]:
        """From the compose files as they are now, as the running composectl reads them."""
        yield from self._client().rollout(RolloutRequest((service,), rendered=""))

    def logs(self, service: str, number: int | None) -> LogWatch:
        return self._client().logs(LogsRequest(service, number))

    # Private

    def _client(self) -> Client:
        with translated_errors(self._pid):
            return Client(self._path)
