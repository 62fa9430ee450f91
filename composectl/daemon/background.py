"""Runs a daemon in the background: its caller gets the terminal back as soon as it is ready."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from composectl import __version__
from composectl.control.paths import make_state_dir, rotated_log

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

ReadyNotifier = Callable[[str, str, int], Awaitable[None]]
_STDERR = 2
_MAX_BYTES = 5_000_000
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_in_background(work: Callable[[ReadyNotifier], int], folder: Path) -> int:
    """Run `work` in a process of its own session, and return its exit code, or that of `notify_ready`.

    `notify_ready(text, name, exit_code)` prints `text` for the caller, and ends that; later output goes to the log of
    that name in `folder`. Descriptors that the caller has inherited are closed then, for one may hold a lock.
    It does not return where a signal has interrupted the caller before: that signal comes to `work` too.
    Must be called before there are threads. Raises ComposectlError where there can be no log.
    """
    make_state_dir(folder)
    inherited = _inherited_descriptors()
    callers_end, own_end = socket.socketpair()
    signal.pthread_sigmask(signal.SIG_BLOCK, _FORWARDED)
    child = os.fork()
    if child:
        own_end.close()
        return _wait_for(child, callers_end)
    callers_end.close()
    own_end.setblocking(False)
    os.setsid()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _FORWARDED)
    log: list[Path] = []

    async def notify_ready(text: str, name: str, exit_code: int = 0) -> None:
        with suppress(OSError):  # the caller has gone
            own_end.send(b"?")
            await asyncio.get_running_loop().sock_recv(own_end, 1)
        log.append(folder / name)
        _switch_to_log(log[0], text)
        for descriptor in inherited:  # by now `--access-log /dev/fd/3` is open
            with suppress(OSError):
                os.close(descriptor)
        with suppress(OSError), own_end:
            own_end.sendall(bytes([exit_code]) + text.encode())

    exit_code = work(notify_ready)
    if log:
        sys.stdout.write(f"ended with exit code {exit_code}\n")
    return exit_code


class LogFile(io.RawIOBase):
    """Takes the place of these descriptors, stamps each line, and is rotated once after `max_bytes`.

    A full disk loses lines, and raises nothing. Raises OSError where the file cannot be opened.
    """

    def __init__(self, path: Path, descriptors: Collection[int], max_bytes: int = _MAX_BYTES) -> None:
        self._path = path
        self._descriptors = tuple(descriptors)
        self._max_bytes = max_bytes
        self._at_start = True
        self._open()

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        written = bytes(data)
        with suppress(OSError):
            left = self._stamped(written) if written else b""
            while left:
                left = left[os.write(self._descriptors[0], left) :]
            file = os.fstat(self._descriptors[0])
            if self._at_start and file.st_size >= self._max_bytes:
                if os.path.samestat(file, os.stat(self._path)):  # else another process has rotated it
                    self._path.replace(rotated_log(self._path))
                self._open()
        return len(written)

    # Private

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        opened = os.open(self._path, flags, 0o600)
        for descriptor in self._descriptors:
            os.dup2(opened, descriptor)
        os.close(opened)

    def _stamped(self, data: bytes) -> bytes:
        stamp = f"{datetime.now().astimezone().isoformat(timespec='milliseconds')} ".encode()
        first = stamp if self._at_start else b""
        self._at_start = data.endswith(b"\n")
        last = b"\n" if self._at_start else b""
        return first + data.removesuffix(last).replace(b"\n", b"\n" + stamp) + last


# Private


def _inherited_descriptors() -> list[int]:
    """Those beyond stderr that were open when this program began: Python itself opens none that is inheritable."""
    found: list[int] = []
    with suppress(OSError):  # there is no such folder
        opened = [int(name) for name in os.listdir("/dev/fd")]
        for descriptor in opened:
            with suppress(OSError):  # the one of the listing itself
                if descriptor > _STDERR and os.get_inheritable(descriptor):
                    found.append(descriptor)
    return found


def _switch_to_log(log: Path, text: str) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    file = LogFile(log, (1, 2))
    sys.stdout = sys.stderr = io.TextIOWrapper(file, "utf-8", errors="backslashreplace", write_through=True)
    sys.stdout.write(f"composectl {__version__}, process {os.getpid()}\n{text}")


def _wait_for(child: int, channel: socket.socket) -> int:
    """Pass signals on to the child until it is ready or ends; only without a signal is it told to go on alone."""
    caught: list[int] = []
    answer = b""

    def forward(number: int, _: Any) -> None:
        caught.append(number)
        os.kill(child, number)

    _handle_signals(forward)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _FORWARDED)
    with channel, suppress(ConnectionError):
        asked = channel.recv(1)
        signal.pthread_sigmask(signal.SIG_BLOCK, _FORWARDED)
        accepted = asked and not caught
        if accepted:
            _handle_signals(signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _FORWARDED)
        if accepted:
            channel.sendall(b"!")
        answer = b"".join(iter(lambda: channel.recv(4096), b""))
    _handle_signals(signal.SIG_IGN)
    if answer:
        sys.stdout.write(answer[1:].decode())
        return answer[0]
    _, status = os.waitpid(child, 0)
    exit_code = os.waitstatus_to_exitcode(status)
    return exit_code if exit_code >= 0 else 128 - exit_code


def _handle_signals(handler: Callable[[int, Any], None] | signal.Handlers) -> None:
    for number in _FORWARDED:
        signal.signal(number, handler)
