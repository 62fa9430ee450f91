"""GoAccess reads the access log, by the format that the docs state: every line counts, and for what it is."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from pathlib import Path
from typing import Any

from tests.external.conftest import said_by
from tests.support.http_client import ask
from tests.support.large_backend import LargeBackend
from tests.support.paths import ROOT
from tests.support.proxy_process import Workspace

PAGE = (ROOT / "docs" / "reference" / "access-log.md").read_text()
TYPED = re.compile(
    r"goaccess access\.log --log-format='(?P<log>[^']*)' --date-format=(?P<date>\S+) --time-format=(?P<time>\S+)"
)
HOST = "127.0.0.1"
PATHS = {"/": 30, "/large": 2, '/a"b': 3, "/%C3%A9": 4}


def test_every_line_is_counted(place: Workspace) -> None:
    backend = LargeBackend()
    words = ("--access-log", "access.log", "--access-log-header", "User-Agent", "--max-request-body", "1k")
    proxy = place.starts("--listen", "127.0.0.1:0", "--backend", backend.address, *words)
    for path, times in PATHS.items():
        for _ in range(times):
            assert ask(proxy.port, path, host=HOST, User_Agent='curl/8 "q"').status == 200
    assert ask(proxy.port, "/", host=HOST, Content_Length="1025").status == 413
    assert ask(proxy.port, "/", host=HOST, Host="not a host").status == 400
    proxy.ends_by(signal.SIGTERM)
    backend.close()
    report = reported(place.folder / "access.log", place.folder / "report.json")
    asked = sum(PATHS.values()) + 2
    general = report["general"]
    assert (general["total_requests"], general["valid_requests"], general["failed_requests"]) == (asked, asked, 0)
    hits = {request["data"]: request["hits"]["count"] for request in report["requests"]["data"]}
    assert hits == {"/": 32, "/large": 2, r"/a\x22b": 3, "/é": 4}
    classes = {status["data"][:3]: status["hits"]["count"] for status in report["status_codes"]["data"]}
    assert classes == {"2xx": asked - 2, "4xx": 2}
    assert general["bandwidth"] >= 2_000_000


def reported(log: Path, report: Path) -> dict[str, Any]:
    """GoAccess's report of a log, read as the docs say."""
    found = TYPED.search(PAGE)
    assert found
    formats = [f"--{name}-format={found[name]}" for name in ("log", "date", "time")]
    asyncio.run(said_by("goaccess", str(log), *formats, "--no-global-config", "-o", str(report)))
    content: dict[str, Any] = json.loads(report.read_text())
    return content
