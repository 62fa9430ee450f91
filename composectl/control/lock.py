"""The lock of a project, or of a proxy's name, and the control socket that goes with it."""

from __future__ import annotations

import fcntl
import os
import socket
from contextlib import suppress
from pathlib import Path

from composectl import errors
from composectl.control.paths import file_stem, make_private


class ProjectLock:
    """Locks a project until `release`, or until the process ends; a stale socket is removed.

    A proxy over static backends has no engine, and its own name as `project`. `inherited` is the descriptor of a lock
    that another composectl holds as well; that one keeps its control socket until `take_over`.
    """

    def __init__(self, directory: Path, project: str, engine: str = "", *, inherited: int | None = None) -> None:
        self._directory = directory
        stem = directory / file_stem(project, engine)
        self.project = project
        self.stem = stem.name
        self.socket = stem.with_name(stem.name + ".sock")
        self._path = stem.with_name(stem.name + ".lock")
        self._refusal = errors.RunsAlready if engine else errors.name_taken
        self._next_socket = self.socket if inherited is None else stem.with_name(stem.name + ".next")
        self.fd = self._acquire() if inherited is None else inherited

    @property
    def is_owner(self) -> bool:
        """Whether this process owns it: not before `take_over`, nor after that of another."""
        return os.pread(self.fd, 20, 0) == str(os.getpid()).encode()

    def listen(self) -> socket.socket:
        """The control socket, with mode 0600 from its first moment."""
        self._next_socket.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            listening.bind(str(self._next_socket))
        finally:
            os.umask(before)
        return listening

    def take_over(self) -> None:
        """From here on other terminals find this process in place of the one that the lock was inherited from."""
        self._next_socket.rename(self.socket)
        self._next_socket = self.socket
        self._write_pid()

    def release(self) -> None:
        """Leave nothing behind, but what another process has inherited."""
        mine = (self.socket, self._path) if self.is_owner else ()
        for path in (*mine, *({self._next_socket} - {self.socket})):
            path.unlink(missing_ok=True)
        os.close(self.fd)
        with suppress(OSError):  # others may be there
            self._directory.rmdir()

    # Private

    def _acquire(self) -> int:
        while True:
            make_private(self._directory)
            try:
                fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            except FileNotFoundError:
                continue  # the last one to leave has removed the directory
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pid = os.read(fd, 20).decode().strip()
                os.close(fd)
                raise self._refusal(self.project, int(pid or 0)) from None
            if self._is_current(fd):
                self.fd = fd
                self._write_pid()
                return fd
            os.close(fd)  # its last holder has removed it meanwhile

    def _write_pid(self) -> None:
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, str(os.getpid()).encode(), 0)

    def _is_current(self, fd: int) -> bool:
        try:
            return os.path.samestat(os.fstat(fd), self._path.stat())
        except FileNotFoundError:
            return False
