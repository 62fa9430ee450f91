"""Requests as clients send them: one, one that is held, or a burst.

`http.client` never sends a request twice, so that what is lost shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection

TIMEOUT = 60.0


@dataclass(frozen=True)
class Answer:
    """A response of the echo service, or of what answers in its place."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def backend(self) -> str | None:
        """The backend that made it, as composectl says."""
        return self.headers.get("X-Internal-Service")

    @property
    def is_whole(self) -> bool:
        """Whether the echo service answered to the end of what it says to any request of ours."""
        return self.status == 200 and self.text.startswith("I am ") and "\nX_FORWARDED_PROTO=http\n" in self.text


def ask(port: int, path: str = "/", host: str = "localhost", **headers: str) -> Answer:
    """One GET on a connection of its own; underscores in the names of headers stand for hyphens."""
    connection = HTTPConnection(host, port, timeout=TIMEOUT)
    try:
        return _ask(connection, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    finally:
        connection.close()


def is_answered_by_docker(port: int) -> bool:
    """Whether a replica answers that is not balanced; it may not listen yet."""
    try:
        answer = ask(port)
    except OSError:
        return False
    return answer.text.startswith("I am ") and answer.backend is None


class HeldRequest:
    """A POST that is in flight for as long as a test wants: its body is whole once it is told to finish."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("localhost", port, timeout=TIMEOUT)
        self._connection.putrequest("POST", "/")
        self._connection.putheader("Content-Length", "7")
        self._connection.endheaders(b"a b")

    def finish(self) -> Answer:
        """Send the rest; what it is answered."""
        self._connection.send(b"ody\n")
        return _read(self._connection)

    def close(self) -> None:
        self._connection.close()


def burst(port: int, requests: int, concurrency: int, path: str = "/") -> list[Answer]:
    """So many GETs, each worker on a connection that it keeps."""

    def work(share: int) -> list[Answer]:
        connection = HTTPConnection("localhost", port, timeout=TIMEOUT)
        try:
            return [_ask(connection, path) for _ in range(share)]
        finally:
            connection.close()

    with ThreadPoolExecutor(concurrency) as workers:
        return [answer for answers in workers.map(work, [requests // concurrency] * concurrency) for answer in answers]


# Private


def _ask(connection: HTTPConnection, path: str, headers: Mapping[str, str] | None = None) -> Answer:
    connection.request("GET", path, headers=dict(headers or {}))
    return _read(connection)


def _read(connection: HTTPConnection) -> Answer:
    response = connection.getresponse()
    text = response.read().decode()
    return Answer(response.status, dict(response.headers), text)
