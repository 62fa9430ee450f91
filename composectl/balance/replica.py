"""A replica as the Docker Engine reports it."""

from dataclasses import dataclass
from enum import StrEnum


class Report(StrEnum):
    """What Docker itself says of a running replica."""

    UP = "up"  # its HEALTHCHECK passes
    DOWN = "down"  # its HEALTHCHECK has not passed, or the replica is paused
    SILENT = "silent"  # it has no HEALTHCHECK: ask its port


@dataclass(frozen=True, slots=True)
class Replica:
    """One run of a container: the same container restarted is another replica.

    `id` is the container's 64 hex digits, `started` its start time as Docker writes it, `host` the address at
    which it is reached, `grace` the seconds that it is given to stop, `stop_signal` the number of
    the signal by which it is told to. `port` is that of a replica with one of its own; 0 where the service tells it.
    """

    id: str
    started: str
    number: int
    name: str
    host: str
    report: Report = Report.SILENT
    grace: float = 10.0
    stop_signal: int = 15
    port: int = 0

    @property
    def key(self) -> tuple[str, str]:
        """The identity of this run."""
        return self.id, self.started

    def address(self, target: int) -> tuple[str, int]:
        """Where it is reached; `target` is the port that its service serves."""
        return self.host, self.port or target
