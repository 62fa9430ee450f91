"""The other end of the control API: asks running composectls, with nothing that is slow to import."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

from composectl import errors
from composectl.compose.options import Invocation, known_directory_of
from composectl.control.api import About
from composectl.control.commands import Place, Rollout, Scaling, Verdict
from composectl.control.listener_fds import Predecessor
from composectl.control.paths import runtime_folder, sockets

_RETRY_SECONDS = 0.05
_ASK_SECONDS = 1.0
_PATIENCE = 10.0  # seconds that a running composectl may be silent


class Client:
    """Talks to the composectl behind one socket."""

    def __init__(self, path: Path) -> None:
        self.path = path
        about = self._get("/v1/about")
        self.about = About(**about | {"listeners": tuple(about["listeners"])})

    def status(self) -> dict[str, Any]:
        """The JSON of `status --json`. Raises ComposectlError."""
        with self.answering():
            return self._get("/v1/status")

    def telling(self) -> Telling:
        """The snapshots that it tells by itself."""
        return Telling(self)

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
        with _Connection(self.path, _PATIENCE) as connection:
            connection.request("POST", "/v1/stop")
            connection.getresponse().read()

    def predecessor(self) -> Predecessor:
        """The same composectl, as the one that we take over from."""
        return Predecessor(self.path, self.about.pid)

    def is_there(self) -> bool:
        """Whether it has not ended yet."""
        return self.path.exists()

    @contextmanager
    def answering(self, pid: int = 0) -> Iterator[None]:
        """Raise HasEnded where it does so, or its successor `pid`, before it has answered."""
        try:
            yield
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise errors.has_ended(pid or self.about.pid) from error

    # Private

    def _order(self, path: str, order: Scaling | Rollout | Verdict | Place) -> Iterator[str]:
        with self.answering(), _Connection(self.path, timeout=None) as connection:
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

    def _get(self, path: str) -> dict[str, Any]:
        with _Connection(self.path, _PATIENCE) as connection:
            connection.request("GET", path)
            answer: dict[str, Any] = json.load(connection.getresponse())
        return answer


class Telling:
    """The same JSON as it comes: at once, when it is another one, and every two seconds at least.

    Where a successor has taken over, that one tells; where as many are told as there can be, it is asked instead.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._connection = _Connection(client.path, _PATIENCE)
        self._answer: http.client.HTTPResponse | None = None
        self._pid = client.about.pid
        self._is_closed = False
        self._is_first = True

    def next(self) -> dict[str, Any]:
        """The next one. Raises HasEnded where there is none to come."""
        with self._client.answering(self._pid):
            while not self._is_closed:
                is_new = self._answer is None
                answer = self._answer = self._answer or self._listened()
                if answer.status != HTTPStatus.OK:
                    return self._asked()
                told = _snapshot_in(answer)
                if told is not None:
                    self._pid = told["pid"]
                    return told
                self._answer = None
                if is_new:
                    break
        raise errors.has_ended(self._pid)

    def close(self) -> None:
        """No more, also for who waits for the next one in another thread."""
        self._is_closed = True
        if self._connection.sock is not None:
            with suppress(OSError):
                self._connection.sock.shutdown(socket.SHUT_RDWR)

    # Private

    def _listened(self) -> http.client.HTTPResponse:
        self._connection.close()
        self._connection.request("GET", "/v1/events")
        return self._connection.getresponse()

    def _asked(self) -> dict[str, Any]:
        if not self._is_first:
            time.sleep(_ASK_SECONDS)
        self._is_first = False
        return self._client.status()


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


def find_running(invocation: Invocation) -> Client:
    """The composectl of the project or proxy that is named, else of the project's directory.

    Where there is no project at all, it is the only proxy. Raises ComposectlError.
    """
    folder = runtime_folder(invocation.environ)
    name, directory = meant(invocation)
    try:
        return find(folder, name, directory or invocation.cwd)
    except errors.NothingRuns:
        if name or directory:
            raise
        return find_proxy(folder)


def meant(invocation: Invocation) -> tuple[str, Path | None]:
    """The name that is said, if any is, and the project's directory, if there is one."""
    options, environ, cwd = invocation.options, invocation.environ, invocation.cwd
    name = options.project_name or environ.get("COMPOSE_PROJECT_NAME", "")
    return name, known_directory_of(options, environ, cwd)


# Private


def _only(matching: Sequence[Client], none: errors.NothingRuns) -> Client:
    if not matching:
        raise none
    if len(matching) > 1:
        raise errors.which_one(client.about.title for client in matching)
    return matching[0]


def _snapshot_in(events: Iterable[bytes]) -> dict[str, Any] | None:
    """The next one; None where they have ended."""
    name = ""
    for line in events:
        field, _, value = line.decode().rstrip("\n").partition(": ")
        if field == "event":
            name = value
        elif field == "data" and name == "snapshot":
            told: dict[str, Any] = json.loads(value)
            return told
    return None


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
