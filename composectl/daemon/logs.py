"""What the containers of a daemon print, for one reader: through scaling, rollouts and restarts."""

from __future__ import annotations

from collections.abc import Sequence

from composectl import errors
from composectl.control.commands import LogLine, LogsRequest
from composectl.daemon.daemon import Daemon

_MOST = 500  # lines of a container in one look


class Logs:
    """The first lines are the last ones that are there; those of a container that comes later, its first."""

    def __init__(self, daemon: Daemon, request: LogsRequest) -> None:
        self._daemon = daemon
        self._request = request
        self._seen: dict[str, str] = {}  # moments, by id
        self._count: int | None = None

    async def new_lines(self) -> Sequence[LogLine]:
        """Nothing while the engine does not answer. Raises ComposectlError where no container prints anything."""
        self._check()
        wanted = self._request
        count, self._count = wanted.tail if self._count is None else self._count, _MOST
        orchestrator = self._daemon.orchestrator
        try:
            lines = await orchestrator.new_output(self._seen, count, wanted.service, wanted.number)
        except errors.ComposectlError:
            return []
        return [LogLine(line.at, line.service, line.number, line.text, line.after_gap) for line in lines]

    # Private

    def _check(self) -> None:
        if not self._daemon.orchestrator.logs_command:
            raise errors.no_logs(self._daemon.lock.project)
        if self._request.service:
            self._daemon.service(self._request.service)
