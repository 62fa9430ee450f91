"""The watchers of a composectl: another terminal, a browser and Prometheus."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.cores import LOAD_CORE, aside, on, step_aside
from bench.terminal import terminal

_EVERY = 1.0
_FETCH_EVERY = 2.0
_OPENMETRICS = "application/openmetrics-text; version=1.0.0"
_PATIENCE = 10.0
_START_SECONDS = 1.5


@contextmanager
def watching(home: Path, name: str, folder: Path) -> Iterator[None]:
    """While entered, the composectl called `name`, whose socket is in `folder`, is watched by all of them."""
    about = _about(folder / "composectl")
    over = threading.Event()
    with ExitStack() as stack:
        stack.enter_context(_terminal(home, name, folder))
        for work, key in ((_scrape, "metrics"), (_read_events, "dashboard"), (_fetch, "dashboard")):
            thread = threading.Thread(target=_meekly, args=(work, urlsplit(about[key]).netloc, over))
            thread.start()
            stack.callback(thread.join)
        stack.callback(over.set)
        over.wait(_START_SECONDS)
        yield


# Private


def _about(sockets: Path) -> Mapping[str, Any]:
    """Of the only one there, which listens for clients before it does for us."""
    connection = http.client.HTTPConnection("localhost", timeout=_PATIENCE)
    connection.sock = _connected(sockets)
    with closing(connection):
        about: Mapping[str, Any] = _json(connection, "/v1/about")
    return about


def _connected(sockets: Path) -> socket.socket:
    deadline = time.monotonic() + _PATIENCE
    while True:
        ours = socket.socket(socket.AF_UNIX)
        try:
            ours.connect(str(next(sockets.glob("*.sock"), sockets)))
        except OSError:
            ours.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return ours


def _json(connection: http.client.HTTPConnection, path: str) -> Any:
    connection.request("GET", path)
    return json.load(connection.getresponse())


def _meekly(work: Callable[[str, threading.Event], None], place: str, over: threading.Event) -> None:
    step_aside()
    work(place, over)


def _scrape(place: str, over: threading.Event) -> None:
    """As Prometheus does, on a connection that it keeps."""
    with closing(http.client.HTTPConnection(place, timeout=_PATIENCE)) as connection:
        while not over.wait(_EVERY):
            connection.request("GET", "/metrics", headers={"Accept": _OPENMETRICS})
            connection.getresponse().read()


def _read_events(place: str, over: threading.Event) -> None:
    """The stream that the page reads."""
    with closing(http.client.HTTPConnection(place, timeout=_PATIENCE)) as connection:
        connection.request("GET", "/v1/events")
        answer = connection.getresponse()
        while not over.is_set() and answer.readline():
            pass


def _fetch(place: str, over: threading.Event) -> None:
    """What the page asks for besides."""
    with closing(http.client.HTTPConnection(place, timeout=_PATIENCE)) as connection:
        _json(connection, "/v1/history")
        while not over.wait(_FETCH_EVERY):
            _json(connection, "/v1/history/recent")


@contextmanager
def _terminal(home: Path, name: str, folder: Path) -> Iterator[None]:
    environment = {"PYTHONPATH": str(home), "XDG_RUNTIME_DIR": str(folder), "TERM": "xterm-256color"}
    words = [sys.executable, "-P", "-m", "composectl", "-p", name, "status", "--watch"]
    with terminal() as drawn:
        process = subprocess.Popen(
            on(LOAD_CORE, aside(words)),
            stdin=drawn,
            stdout=drawn,
            stderr=drawn,
            env={**os.environ, **environment},
        )
        try:
            yield
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            process.wait(_PATIENCE)
