"""Handing over: sockets and the lock, from one composectl to the next, by its control socket (unix(7), SCM_RIGHTS)."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from composectl import errors

_REQUEST = b"POST /v1/%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
_PATIENCE = 10.0
_LONGEST = 64 * 1024
_MOST = 250  # descriptors that one message may carry


@dataclass(frozen=True, slots=True)
class Estate:
    """Listening sockets by the name of what is reached there, and the descriptor that holds the lock."""

    listening: Mapping[str, Sequence[socket.socket]]
    lock: int


def give(connection: socket.socket, estate: Estate) -> None:
    """Send duplicates of all of it to the other end."""
    names = [name for name, sockets in estate.listening.items() for _ in sockets]
    descriptors = [one.fileno() for sockets in estate.listening.values() for one in sockets]
    socket.send_fds(connection, [json.dumps(names).encode() + b"\n"], [estate.lock, *descriptors])


class Predecessor:
    """The composectl behind a control socket, which is to go on until it is dismissed: by then it may have no name.

    Raises HasEnded where it is gone.
    """

    def __init__(self, path: Path, pid: int) -> None:
        self._pid = pid
        with self._answering():
            self._will = _connected(path)
            self._farewell = _connected(path)

    def estate(self) -> Estate:
        """What it holds, as duplicates of ours. Raises ComposectlError where it does not know how, or has ended."""
        with self._answering(), self._will:
            self._will.sendall(_REQUEST % b"handover")
            told, descriptors, _, _ = socket.recv_fds(self._will, _LONGEST, _MOST)
        if not told:
            raise errors.has_ended(self._pid)
        if not descriptors:
            raise errors.other_composectl(self._pid, 404)
        lock, *listening = descriptors
        sockets: dict[str, list[socket.socket]] = {}
        for name, descriptor in zip(json.loads(told.splitlines()[0]), listening, strict=True):
            sockets.setdefault(name, []).append(socket.socket(fileno=descriptor))
        return Estate(sockets, lock)

    def dismiss(self) -> None:
        """Ask it to drain and end."""
        with self._farewell, suppress(OSError):  # it has ended by itself
            self._farewell.sendall(_REQUEST % b"stop")
            self._farewell.recv(_LONGEST)

    # Private

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise errors.has_ended(self._pid) from error


# Private


def _connected(path: Path) -> socket.socket:
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    one.settimeout(_PATIENCE)
    one.connect(str(path))
    return one
