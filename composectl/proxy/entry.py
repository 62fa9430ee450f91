"""An entry of the access log: one request and what became of it, as values."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic_ns

from composectl.balance.replica import Replica

_LEFT = 499  # nginx's word for it


class Entry:
    """Written on while its request is on its way; moments and `held` are nanoseconds of the monotonic clock.

    `method` and `target` are empty where they could not be read; `version` is that of HTTP, `id_line` the line with the
    `X-Request-ID`; `headers` has those that were asked for, by their names in lower case. `replica` is the one asked
    last, by its port `port`, for the last of `attempts`; `received` and `sent` are the bytes of the bodies. `status` is
    what the client got; `error` tells why that is not the backend's answer, or not the whole of it, else it is empty.
    """

    __slots__ = (
        "_waits_since",
        "attempts",
        "came",
        "client",
        "ended",
        "error",
        "headers",
        "held",
        "id_line",
        "method",
        "port",
        "received",
        "replica",
        "sent",
        "service",
        "status",
        "target",
        "version",
    )

    def __init__(
        self,
        service: str,
        port: int,
        client: str,
        method: bytes,
        target: bytes,
        version: str,
        id_line: bytes,
        headers: Mapping[bytes, bytes],
    ) -> None:
        self.service = service
        self.port = port
        self.client = client
        self.method = method
        self.target = target
        self.version = version
        self.id_line = id_line
        self.headers = headers
        self.came = self.ended = monotonic_ns()
        self.held = self._waits_since = 0
        self.replica: Replica | None = None
        self.attempts = 0
        self.received = 0
        self.sent = 0
        self.status = 0
        self.error = ""

    def begin(self) -> None:
        """It is its turn, after those that its client asked before."""
        self.came = monotonic_ns()

    def try_at(self, replica: Replica) -> None:
        """It goes to this one."""
        self.replica = replica
        self.attempts += 1

    def wait(self) -> None:
        """It is held."""
        self._waits_since = monotonic_ns()

    def go_on(self) -> None:
        """It is held no longer."""
        if self._waits_since:
            self.held += monotonic_ns() - self._waits_since
            self._waits_since = 0

    def end(self, status: int, error: str) -> None:
        """It has ended so; without a `status`, with the one that was sent on already, or because its client left."""
        self.go_on()
        self.ended = monotonic_ns()
        self.status = status or self.status or _LEFT
        self.error = error
