"""The client of the control API, without a module that is slow to import."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from composectl import errors
from composectl.compose.options import Invocation, known_directory_of
from composectl.control.commands import (
    BackendRef,
    CanaryDecision,
    DaemonInfo,
    LogLine,
    LogsRequest,
    RolloutRequest,
    ScaleRequest,
)
from composectl.control.listener_fds import translated_errors
from composectl.control.paths import control_sockets, runtime_dir

_RETRY_SECONDS = 0.05
_POLL_INTERVAL = 1.0
_TIMEOUT = 10.0  # seconds that a running composectl may be silent


class Client:
    """Talks to the composectl behind one socket; raises ComposectlError.

    Commands yield lines of progress, until they are done or paused.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        about = self._request("GET", "/v1/about")
        lists = {name: tuple(about.get(name, ())) for name in ("listeners", "profiles")}
        self.info = DaemonInfo(**about | lists)

    def status(self) -> dict[str, Any]:
        """The JSON of `status --json`."""
        with translated_errors(self.info.pid):
            return self._request("GET", "/v1/status")

    def watch(self) -> SnapshotWatch:
        return SnapshotWatch(self)

    def logs(self, request: LogsRequest) -> LogWatch:
        return LogWatch(self, request)

    def scale(self, request: ScaleRequest) -> Iterator[str]:
        return self._command("/v1/scale", request.as_json())

    def rollout(self, request: RolloutRequest) -> Iterator[str]:
        return self._command("/v1/rollout", asdict(request))

    def decide_canary(self, decision: CanaryDecision) -> Iterator[str]:
        verb = "promote" if decision.promote else "abort"
        return self._command(f"/v1/rollout/{verb}", {"service": decision.service})

    def drain(self, backend: BackendRef) -> Iterator[str]:
        """It is done when nothing is in flight there."""
        return self._command("/v1/drain", asdict(backend))

    def undrain(self, backend: BackendRef) -> Iterator[str]:
        return self._command("/v1/undrain", asdict(backend))

    def stop(self) -> None:
        """Ask it to drain and end."""
        self._request("POST", "/v1/stop")

    # Private

    def _command(self, path: str, fields: dict[str, Any]) -> Iterator[str]:
        with translated_errors(self.info.pid), closing(_Connection(self.path, timeout=None)) as connection:
            connection.request("POST", path, json.dumps(fields))
            response = connection.getresponse()
            if response.status != HTTPStatus.OK:
                raise errors.other_composectl(self.info.pid, response.status)
            for line in response:
                payload = json.loads(line)
                if "error" in payload:
                    raise errors.ComposectlError(payload["error"], payload["hint"], payload["exit_code"])
                if "done" in payload:
                    return
                yield payload["progress"]
            raise errors.has_ended(self.info.pid)

    def _request(self, method: str, path: str) -> dict[str, Any]:
        with closing(_Connection(self.path, _TIMEOUT)) as connection:
            connection.request(method, path)
            answer: dict[str, Any] = json.load(connection.getresponse())
        return answer


class SnapshotWatch:
    """The JSON of `status` as it changes: at once, after each change, and every two seconds at least.

    A successor that has taken over continues it. Where the stream has too many readers, the status is polled instead.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._connection = _Connection(client.path, _TIMEOUT)
        self._answer: http.client.HTTPResponse | None = None
        self._pid = client.info.pid
        self._closed = False
        self._pause = 0.0  # before it polls

    def next(self) -> dict[str, Any]:
        """The next one. Raises HasEnded where there is none to come."""
        with translated_errors(self._pid):
            while not self._closed:
                is_new = self._answer is None
                if self._answer is None:
                    self._connection.close()
                    self._connection.request("GET", "/v1/events")
                    self._answer = self._connection.getresponse()
                if self._answer.status != HTTPStatus.OK:
                    time.sleep(self._pause)
                    self._pause = _POLL_INTERVAL
                    return self._client.status()
                snapshot = _next_snapshot(self._answer)
                if snapshot is not None:
                    self._pid = snapshot["pid"]
                    return snapshot
                self._answer = None
                if is_new:
                    break
        raise errors.has_ended(self._pid)

    def close(self) -> None:
        """End it, also for a `next` that waits in another thread."""
        self._closed = True
        if self._connection.sock is not None:
            with suppress(OSError):
                self._connection.sock.shutdown(socket.SHUT_RDWR)


class LogWatch:
    """The lines that containers print, as they come; a successor that has taken over continues them."""

    def __init__(self, client: Client, request: LogsRequest) -> None:
        self._client = client
        query = {key: value for key, value in asdict(request).items() if value not in ("", None)}
        self._path = f"/v1/logs?{urlencode(query)}"
        self._connection = _Connection(client.path, timeout=None)
        self._seen: dict[tuple[str, int], str] = {}
        self._closed = False

    def __iter__(self) -> Iterator[LogLine]:
        """Raises ComposectlError: HasEnded where none are to come, unless it is closed."""
        is_answered = True
        while is_answered and not self._closed:
            is_answered = False
            with translated_errors(self._client.info.pid):
                for payload in self._payloads():
                    is_answered = True
                    if "done" in payload:
                        break
                    line = LogLine(**payload)
                    if line.at > self._seen.get((line.service, line.number), ""):
                        self._seen[line.service, line.number] = line.at
                        yield line
        if not self._closed:
            raise errors.has_ended(self._client.info.pid)

    def close(self) -> None:
        """End it, also for a reader that waits in another thread."""
        self._closed = True
        if self._connection.sock is not None:
            with suppress(OSError):
                self._connection.sock.shutdown(socket.SHUT_RDWR)

    # Private

    def _payloads(self) -> Iterator[dict[str, Any]]:
        self._connection.close()
        self._connection.request("GET", self._path)
        if self._closed:  # before there was a socket to shut down
            return
        answer = self._connection.getresponse()
        if answer.status != HTTPStatus.OK:
            payload = json.load(answer)
            raise errors.ComposectlError(payload["error"], payload["hint"])
        yield from map(json.loads, answer)


def running_daemons(directory: Path) -> list[Client]:
    """All composectls of this user that answer."""
    found = []
    for path in control_sockets(directory):
        with suppress(OSError, http.client.HTTPException):  # the socket of a killed process is stale
            found.append(Client(path))
    return found


def find_project_daemon(runtime: Path, project: str, directory: Path) -> Client:
    """The composectl of `project`, or, where that is empty, of the project in `directory`. Raises ComposectlError."""
    matching = [
        client
        for client in running_daemons(runtime)
        if (client.info.project == project.lower() if project else client.info.directory == str(directory))
    ]
    if not matching:
        named = f"project `{project}`" if project else "this project"
        hint = "start one: `composectl up --balance SERVICE=N`"
        raise errors.NothingRuns(f"no composectl is running for {named}", hint)
    return _only(matching)


def find_proxy_daemon(runtime: Path) -> Client:
    """The only proxy over static backends. Raises ComposectlError."""
    proxies = [client for client in running_daemons(runtime) if not client.info.has_project]
    if not proxies:
        raise errors.NothingRuns(
            "no composectl is running, and there is no compose file here",
            "start one: `composectl up --balance SERVICE=N` beside a compose file, or `composectl proxy`",
        )
    return _only(proxies)


def find_daemon(invocation: Invocation) -> Client:
    """The composectl of the project or proxy that is named, else of the project's directory.

    Where there is no project at all, it is the only proxy. Raises ComposectlError.
    """
    runtime = runtime_dir(invocation.environ)
    name, directory = requested_project(invocation)
    try:
        return find_project_daemon(runtime, name, directory or invocation.cwd)
    except errors.NothingRuns:
        if name or directory:
            raise
        return find_proxy_daemon(runtime)


def requested_project(invocation: Invocation) -> tuple[str, Path | None]:
    """The name that was given, or "", and the project's directory, if there is one."""
    name = invocation.options.project_name or invocation.environ.get("COMPOSE_PROJECT_NAME", "")
    return name, known_directory_of(invocation.options, invocation.environ, invocation.cwd)


# Private


def _only(matching: Sequence[Client]) -> Client:
    if len(matching) > 1:
        titles = ", ".join(sorted(client.info.title for client in matching))
        raise errors.ComposectlError(f"several are running: {titles}", "name one with `-p NAME` before the command")
    return matching[0]


def _next_snapshot(events: Iterable[bytes]) -> dict[str, Any] | None:
    """None where the events have ended."""
    name = ""
    for line in events:
        field, _, value = line.decode().rstrip("\n").partition(": ")
        if field == "event":
            name = value
        elif field == "data" and name == "snapshot":
            snapshot: dict[str, Any] = json.loads(value)
            return snapshot
    return None


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        deadline = time.monotonic() + _TIMEOUT
        while True:  # where the backlog of the socket is full, the system does not wait (connect(2), EAGAIN)
            try:
                self.sock.connect(str(self._path))
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_RETRY_SECONDS)
