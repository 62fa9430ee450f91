"""Messages over TCP as fast as they go, and servers that answer each with so many bytes: both by `messages.c`."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.backends import Backends
from bench.cores import LOAD_CORE, on
from bench.ports import free_ports
from bench.process import started
from bench.wrk import Outcome

SIZE = 24  # of a message, in bytes
_SOURCE = Path(__file__).with_suffix(".c")


@contextmanager
def answering(count: int, folder: Path, size: int, *, upgraded: bool = False) -> Iterator[Backends]:
    """Answer each message with `size` bytes, at so many addresses; `upgraded`: behind a handshake for a WebSocket."""
    backends = Backends(count, free_ports(1)[0], tcp=size, upgraded=upgraded)
    command = [_program(), "serve-upgraded" if upgraded else "serve", str(backends.port), str(size), *backends.hosts]
    with started(command, core=LOAD_CORE, port=backends.port, log=folder / "messages.out"):
        yield backends


def exchange(port: int, size: int, connections: int, seconds: int, *, upgraded: bool = False) -> Outcome:
    """Send messages through the proxy on `port`, on each connection the next one behind the answer of `size` bytes."""
    command = [_program(), "ask-upgraded" if upgraded else "ask", *map(str, (port, size, connections, seconds))]
    printed = subprocess.run(on(LOAD_CORE, command), capture_output=True, text=True, check=True).stdout
    answers, received, failed, nanoseconds = map(int, printed.split())
    return Outcome(answers, received, nanoseconds / 1e9, failed)


# Private


@cache
def _folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory()


@cache
def _program() -> str:
    """The path of the program, made once in a run."""
    built = Path(_folder().name, "messages")
    subprocess.run(["cc", "-O2", "-o", str(built), str(_SOURCE)], check=True)
    return str(built)
