"""Go's own reverse proxy: as it comes, with a tuned transport, and with a pool of buffers as well."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from bench.cores import PROXY_CORE
from bench.peers.peer import Peer, Place
from bench.process import started

_SOURCE = Path(__file__).with_name("goproxy") / "main.go"


def _built(folder: Path) -> Path:
    """The program, made once in a run."""
    built = folder / "goproxy"
    if built.exists():
        return built
    environment = {**os.environ, "CGO_ENABLED": "0", "GOCACHE": str(folder / "cache"), "GO111MODULE": "off"}
    subprocess.run(["go", "build", "-o", str(built), str(_SOURCE)], env=environment, check=True)
    return built


def _starter(*flags: str) -> Callable[[Place], AbstractContextManager[int]]:
    @contextmanager
    def start(place: Place) -> Iterator[int]:
        command = [str(_built(place.folder.parent)), *flags, f"127.0.0.1:{place.port}", *place.backends.addresses]
        log, environment = place.folder / "out", {"GOMAXPROCS": "1"}
        with started(command, core=PROXY_CORE, port=place.port, log=log, environment=environment) as pid:
            yield pid

    return start


GO = Peer("go", _starter(), ("go", "version"))
GO_TUNED = Peer("go-tuned", _starter("-tuned"), ("go", "version"))
GO_POOLED = Peer("go-pooled", _starter("-tuned", "-pooled"), ("go", "version"))
