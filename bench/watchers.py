"""Whoever watches a composectl: another terminal, a browser and Prometheus."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from bench.cores import LOAD_CORE, on
from bench.terminal import terminal

_SCRAPE_EVERY = 1.0
_PATIENCE = 10.0
_START_SECONDS = 1.5

Connect = Callable[[], http.client.HTTPConnection]


def command(*words: str) -> list[str]:
    """`composectl WORDS`, from the PYTHONPATH."""
    return [sys.executable, "-P", "-m", "composectl", *words]


@contextmanager
def watching(home: Path, name: str, folder: Path) -> Iterator[None]:
    """While entered, the composectl called `name`, whose sockets are in `folder`, is watched by all of them."""
    (path,) = (folder / "composectl").glob("*.sock")
    about = _about(path)
    over = threading.Event()
    with ExitStack() as stack:
        stack.callback(over.set)
        stack.enter_context(_terminal(home, name, folder))
        for work, connect, where in (
            (_scrape, _tcp(about, "metrics") or _unix(path), "/metrics"),
            (_read, _tcp(about, "dashboard") or _unix(path), "/v1/events"),
        ):
            thread = threading.Thread(target=work, args=(connect, where, over))
            thread.start()
            stack.callback(thread.join)
            stack.callback(over.set)
        over.wait(_START_SECONDS)
        yield


# Private


def _about(path: Path) -> Mapping[str, Any]:
    connection = _unix(path)()
    connection.request("GET", "/v1/about")
    about: Mapping[str, Any] = json.load(connection.getresponse())
    connection.close()
    return about


def _unix(path: Path) -> Connect:
    def connect() -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("localhost", timeout=_PATIENCE)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(_PATIENCE)
        connection.sock.connect(str(path))
        return connection

    return connect


def _tcp(about: Mapping[str, Any], key: str) -> Connect | None:
    found = re.match(r"http://([^/]+):(\d+)/", about.get(key, ""))
    return (lambda: http.client.HTTPConnection(found[1], int(found[2]), timeout=_PATIENCE)) if found else None


def _scrape(connect: Connect, where: str, over: threading.Event) -> None:
    while not over.wait(_SCRAPE_EVERY):
        connection = connect()
        connection.request("GET", where)
        connection.getresponse().read()
        connection.close()


def _read(connect: Connect, where: str, over: threading.Event) -> None:
    connection = connect()
    connection.request("GET", where)
    answer = connection.getresponse()
    while not over.is_set() and answer.readline():
        pass
    connection.close()


@contextmanager
def _terminal(home: Path, name: str, folder: Path) -> Iterator[None]:
    environment = {"PYTHONPATH": str(home), "XDG_RUNTIME_DIR": str(folder), "TERM": "xterm-256color"}
    words: Sequence[str] = command("-p", name, "status", "--watch")
    with terminal() as drawn:
        process = subprocess.Popen(
            on(LOAD_CORE, list(words)), stdin=drawn, stdout=drawn, stderr=drawn, env={**os.environ, **environment}
        )
        try:
            yield
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            process.wait(_PATIENCE)
