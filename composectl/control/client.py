"""The other end of the control API: asks running composectls, with nothing that is slow to import."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

from composectl import errors
from composectl.control.about import About
from composectl.control.folder import sockets
from composectl.control.handover import Predecessor
from composectl.control.orders import Place, Rollout, Scaling, Verdict

_RETRY_SECONDS = 0.05
_PATIENCE = 10.0  # seconds that a running composectl may be silent


class Client:
    """Talks to the composectl behind one socket."""

    def __init__(self, path: Path) -> None:
        self._path = path
        about = self._get("/v1/about")
        self.about = About(**about | {"listeners": tuple(about["listeners"])})

    def status(self) -> dict[str, Any]:
        """The JSON of `status --json`. Raises ComposectlError."""
        with self._answering():
            return self._get("/v1/status")

    def scale(self, scaling: Scaling) -> Iterator[str]:
        """Lines of progress, until it is so. Raises ComposectlError."""
        return self._order("/v1/scale", scaling)

    def rollout(self, rollout: Rollout) -> Iterator[str]:
        """Lines of progress, until it is over. Raises ComposectlError."""
        return self._order("/v1/rollout", rollout)

    def judge(self, verdict: Verdict) -> Iterator[str]:
        """Lines of progress, until its rollout is over. Raises ComposectlError."""
        return self._order("/v1/judge", verdict)

    def drain(self, place: Place) -> Iterator[str]:
        """Lines of progress, until nothing is in flight there. Raises ComposectlError."""
        return self._order("/v1/drain", place)

    def undrain(self, place: Place) -> Iterator[str]:
        """Lines of progress, until it is so. Raises ComposectlError."""
        return self._order("/v1/undrain", place)

    def stop(self) -> None:
        """Ask it to drain and end."""
        with _Connection(self._path, _PATIENCE) as connection:
            connection.request("POST", "/v1/stop")
            connection.getresponse().read()

    def predecessor(self) -> Predecessor:
        """The same composectl, as the one that we take over from."""
        return Predecessor(self._path, self.about.pid)

    def is_there(self) -> bool:
        """Whether it has not ended yet."""
        return self._path.exists()

    # Private

    def _order(self, path: str, order: Scaling | Rollout | Verdict | Place) -> Iterator[str]:
        with self._answering(), _Connection(self._path, timeout=None) as connection:
            connection.request("POST", path, json.dumps(order.as_json()))
            response = connection.getresponse()
            if response.status != HTTPStatus.OK:
                raise errors.other_composectl(self.about.pid, response.status)
            for line in response:
                told = json.loads(line)
                if "error" in told:
                    raise errors.ComposectlError(told["error"], told["hint"], told["exit_code"])
                if "done" in told:
                    return
                yield told["progress"]
            raise errors.has_ended(self.about.pid)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Raise HasEnded where it does so before it has answered."""
        try:
            yield
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise errors.has_ended(self.about.pid) from error

    def _get(self, path: str) -> dict[str, Any]:
        with _Connection(self._path, _PATIENCE) as connection:
            connection.request("GET", path)
            answer: dict[str, Any] = json.load(connection.getresponse())
        return answer


def running(folder: Path) -> list[Client]:
    """All composectls of this user that answer."""
    found = []
    for path in sockets(folder):
        try:
            found.append(Client(path))
        except (OSError, http.client.HTTPException):
            continue  # stale: its process was killed
    return found


def find(folder: Path, project: str, directory: Path) -> Client:
    """The composectl of `project`, or, where that is empty, of the project in `directory`. Raises ComposectlError."""
    matching = [
        client
        for client in running(folder)
        if (client.about.project == project.lower() if project else client.about.directory == str(directory))
    ]
    return _only(matching, errors.nothing_runs(project))


def find_proxy(folder: Path) -> Client:
    """The only proxy over fixed backends. Raises ComposectlError."""
    return _only([client for client in running(folder) if not client.about.has_project], errors.no_proxy_runs())


# Private


def _only(matching: Sequence[Client], none: errors.NothingRuns) -> Client:
    if not matching:
        raise none
    if len(matching) > 1:
        raise errors.which_one(client.about.title for client in matching)
    return matching[0]


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self._reach(time.monotonic() + _PATIENCE)

    def _reach(self, deadline: float) -> None:
        """Connect; where the line before the socket is full, the system does not wait (connect(2), EAGAIN)."""
        while True:
            try:
                self.sock.connect(str(self._path))
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_RETRY_SECONDS)

    def __enter__(self) -> _Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
