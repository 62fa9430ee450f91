"""The process that starts workers: forked before there are threads and clients, so that no worker inherits any."""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

from composectl import errors
from composectl.daemon.channel import encode, pair, receive
from composectl.daemon.messages import Ended, Start, Started

if TYPE_CHECKING:
    from composectl.proxy.tls_contexts import TlsContexts

_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)  # the daemon alone decides
_STANDARD = 3  # input, output, error
_WORKERS_END_WITHIN = 5.0  # seconds, for workers whose daemon has gone


class Zygote:
    """The daemon's end: `socket` gets each `Start`, and tells `Started` and `Ended`."""

    def __init__(self, pid: int, end: socket.socket) -> None:
        self.pid = pid
        self.socket = end

    def close(self) -> None:
        """Have it end, once all workers have."""
        self.socket.close()
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


@contextmanager
def started_zygote(workers: int) -> Iterator[Zygote | None]:
    """One that ends when this is left, or None where one worker is enough. To be entered before there are threads."""
    if workers == 1:
        yield None
        return
    import composectl.daemon.worker  # noqa: F401 - once for all workers

    inherited = _open_files()
    ours, its = pair()
    inherited[ours.fileno()] = os.fstat(ours.fileno())
    pid = os.fork()
    if not pid:
        _run(its, inherited)
    its.close()
    zygote = Zygote(pid, ours)
    try:
        yield zygote
    finally:
        zygote.close()


# Private


def _run(end: socket.socket, inherited: Mapping[int, os.stat_result]) -> NoReturn:
    exit_code = 1
    try:
        _close(inherited)
        for number in _IGNORED:
            signal.signal(number, signal.SIG_IGN)
        gc.collect()
        gc.freeze()
        _start_workers(end)
        exit_code = 0
    finally:
        os._exit(exit_code)


def _open_files() -> dict[int, os.stat_result]:
    found: dict[int, os.stat_result] = {}
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        with suppress(OSError):  # that of the listing itself
            found[descriptor] = os.fstat(descriptor)
    return found


def _close(inherited: Mapping[int, os.stat_result]) -> None:
    """A lock, or the terminal of a caller, must not stay open here; what libuv has opened anew in this process must."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor, file in inherited.items():
        if descriptor < _STANDARD:
            os.dup2(null, descriptor)
            continue
        with suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), file):
                os.close(descriptor)


def _start_workers(end: socket.socket) -> None:
    woken, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    running: set[int] = set()
    contexts: dict[str, TlsContexts] = {}  # by service: all workers inherit the key of their session tickets
    while True:
        ready, _, _ = select.select([end.fileno(), woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            for pid, status in _ended():
                running.discard(pid)
                _tell(end, Ended(pid, status))
        if end.fileno() in ready:
            message, descriptors = receive(end)
            if message is None:
                break
            _make_contexts(message, contexts)
            pid = _fork(message, descriptors, contexts, inherited=(end.fileno(), woken, wakes))
            running.add(pid)
            _tell(end, Started(message.number, pid))
    _end(running)


def _make_contexts(start: Start, contexts: dict[str, TlsContexts]) -> None:
    for plan in start.services:
        if plan.tls is not None and plan.name not in contexts:
            with suppress(errors.ComposectlError):  # which the worker meets, too, and tells
                contexts[plan.name] = plan.tls.contexts()


def _fork(start: Start, descriptors: list[int], contexts: Mapping[str, TlsContexts], inherited: tuple[int, ...]) -> int:
    pid = os.fork()
    if not pid:
        exit_code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for descriptor in inherited:
                os.close(descriptor)
            from composectl.daemon.worker import run_worker

            run_worker(start, descriptors, contexts)
            exit_code = 0
        finally:
            os._exit(exit_code)
    for descriptor in descriptors:
        os.close(descriptor)
    return pid


def _ended() -> Iterator[tuple[int, int]]:
    with suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            yield found


def _tell(end: socket.socket, message: object) -> None:
    with suppress(OSError):
        end.send(encode(message), socket.MSG_NOSIGNAL)


def _end(running: set[int]) -> None:
    """Workers end with their daemon; one that does not is killed."""
    deadline = time.monotonic() + _WORKERS_END_WITHIN
    for pid in running:
        process = os.pidfd_open(pid)
        ready, _, _ = select.select([process], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
