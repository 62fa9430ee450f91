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
        self.project = project
        self.stem = file_stem(project, engine)
        self.socket = directory / f"{self.stem}.sock"
        self._path = directory / f"{self.stem}.lock"
        self._refusal = errors.RunsAlready if engine else errors.name_taken
        self._next_socket = self.socket if inherited is None else directory / f"{self.stem}.next"
        self.fd = self._acquire() if inherited is None else inherited

    @property
    def is_owner(self) -> bool:
        """Whether this process owns it: not before `take_over`, nor after that of another."""
        return os.pread(self.fd, 20, 0) == str(os.getpid()).encode()

    def listen(self) -> socket.socket:
        """The control socket, with mode 0600 from its first moment."""
        self._next_socket.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        umask = os.umask(0o177)
        try:
            listening.bind(str(self._next_socket))
        finally:
            os.umask(umask)
        return listening

    def take_over(self) -> None:
        """From here on other terminals find this process in place of the one that the lock was inherited from."""
        self._next_socket.rename(self.socket)
        self._next_socket = self.socket
        self._write_pid(self.fd)

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
                pid = _pid_in(fd)
                os.close(fd)
                raise self._refusal(self.project, pid) from None
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(fd), self._path.stat()):
                    self._write_pid(fd)
                    return fd
            os.close(fd)  # its last holder has removed it meanwhile

    def _write_pid(self, fd: int) -> None:
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)


def _pid_in(fd: int) -> int | None:
    """The process that a lock file names; None where it names none."""
    text = os.pread(fd, 20, 0).strip()
    return int(text) if text.isdigit() else None
