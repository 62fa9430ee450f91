"""One composectl a project, or a name: a lock, and the files that go with it."""

from __future__ import annotations

import fcntl
import os
import socket
from contextlib import suppress
from pathlib import Path

from composectl import errors
from composectl.control.paths import make_private, stem_of


class Claim:
    """Holds a project until `release`, or until the process ends; a stale socket is cleared away.

    A proxy over fixed backends has no engine, and its own name as `project`. `inherited`: the lock, held already by
    this descriptor; the one that it comes from keeps its control socket until `take_over`.
    """

    def __init__(self, folder: Path, project: str, engine: str = "", *, inherited: int | None = None) -> None:
        self._folder = folder
        stem = folder / stem_of(project, engine)
        self.project = project
        self.stem = stem.name
        self.socket = stem.with_name(stem.name + ".sock")
        self._lock = stem.with_name(stem.name + ".lock")
        self._taken = errors.RunsAlready if engine else errors.name_taken
        self._next = self.socket if inherited is None else stem.with_name(stem.name + ".next")
        self.held = self._acquire() if inherited is None else inherited

    @property
    def is_ours(self) -> bool:
        """Whether it is, and was not inherited by another composectl meanwhile, or was not yet by us."""
        return os.pread(self.held, 20, 0) == str(os.getpid()).encode()

    def listen(self) -> socket.socket:
        """The control socket, with mode 0600 from its first moment."""
        self._next.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            listening.bind(str(self._next))
        finally:
            os.umask(before)
        return listening

    def take_over(self) -> None:
        """From here on other terminals find us, and no more the one that the lock was inherited from."""
        self._next.rename(self.socket)
        self._next = self.socket
        self._sign()

    def release(self) -> None:
        """Leave nothing behind, but what another one has inherited."""
        mine = (self.socket, self._lock) if self.is_ours else ()
        for path in (*mine, *({self._next} - {self.socket})):
            path.unlink(missing_ok=True)
        os.close(self.held)
        with suppress(OSError):  # others may be there
            self._folder.rmdir()

    # Private

    def _acquire(self) -> int:
        while True:
            make_private(self._folder)
            try:
                held = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            except FileNotFoundError:
                continue  # whoever was the last to leave has removed the folder
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pid = os.read(held, 20).decode().strip()
                os.close(held)
                raise self._taken(self.project, int(pid or 0)) from None
            if self._is_current(held):
                self.held = held
                self._sign()
                return held
            os.close(held)  # its last holder has removed it meanwhile

    def _sign(self) -> None:
        os.ftruncate(self.held, 0)
        os.pwrite(self.held, str(os.getpid()).encode(), 0)

    def _is_current(self, held: int) -> bool:
        try:
            return os.path.samestat(os.fstat(held), self._lock.stat())
        except FileNotFoundError:
            return False
