"""Listening sockets and the lock, sent from one composectl to the next (unix(7), SCM_RIGHTS)."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from composectl import errors

_REQUEST = b"POST /v1/%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
_TIMEOUT = 10.0
_MAX_ANSWER = 64 * 1024
_MAX_FDS = 250  # in one message


@dataclass(frozen=True, slots=True)
class ListenerFds:
    """Listening sockets by the name of what is reached there, and the descriptor that holds the lock."""

    listening: Mapping[str, Sequence[socket.socket]]
    lock: int


def send(connection: socket.socket, fds: ListenerFds) -> None:
    """Send duplicates of all of them to the other end."""
    names = [name for name, sockets in fds.listening.items() for _ in sockets]
    descriptors = [fds.lock, *(listener.fileno() for sockets in fds.listening.values() for listener in sockets)]
    data = json.dumps(names).encode() + b"\n"
    for first in range(0, len(descriptors), _MAX_FDS):
        socket.send_fds(connection, [data], descriptors[first : first + _MAX_FDS])
        data = b"\n"


class OldProcess:
    """The composectl that is replaced; both channels are opened now, since its socket's path goes to the new one.

    Raises HasEnded where it is gone.
    """

    def __init__(self, path: Path, pid: int) -> None:
        self._pid = pid
        with translated_errors(pid):
            self._fd_channel = _connected(path)
            self._stop_channel = _connected(path)

    def receive(self) -> ListenerFds:
        """Duplicates of what it holds. Raises ComposectlError where it does not know how, or has ended."""
        with translated_errors(self._pid), self._fd_channel:
            self._fd_channel.sendall(_REQUEST % b"listeners")
            answer, descriptors = _receive(self._fd_channel)
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        if not answer:
            raise errors.has_ended(self._pid)
        if not descriptors:
            raise errors.other_composectl(self._pid, 404)
        lock, *listening = descriptors
        sockets: dict[str, list[socket.socket]] = {}
        for name, descriptor in zip(json.loads(answer.splitlines()[0]), listening, strict=True):
            sockets.setdefault(name, []).append(socket.socket(fileno=descriptor))
        return ListenerFds(sockets, lock)

    def stop(self) -> None:
        """Ask it to drain and end."""
        with self._stop_channel, suppress(OSError):  # it has ended by itself
            self._stop_channel.sendall(_REQUEST % b"stop")
            self._stop_channel.recv(_MAX_ANSWER)


@contextmanager
def translated_errors(pid: int) -> Iterator[None]:
    """Raise HasEnded where process `pid` ends before it has answered."""
    try:
        yield
    except (OSError, HTTPException, ValueError) as error:
        raise errors.has_ended(pid) from error


# Private


def _receive(channel: socket.socket) -> tuple[bytes, list[int]]:
    """What was sent, whose first line has the names of all descriptors but the first; or any answer without one."""
    answer, descriptors = b"", list[int]()
    while True:
        data, more, _, _ = socket.recv_fds(channel, _MAX_ANSWER, _MAX_FDS)
        answer += data
        descriptors += more
        if not data or not descriptors:
            return answer, descriptors
        names, newline, _ = answer.partition(b"\n")
        if newline and len(descriptors) > len(json.loads(names)):
            return answer, descriptors


def _connected(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_TIMEOUT)
    connection.connect(str(path))
    return connection
