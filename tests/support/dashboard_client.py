"""The dashboard of a proxy, and what comes of asking it."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from urllib.parse import urlsplit

from tests.support.proxy_process import ProxyProcess, Workspace
from tests.support.threaded_backend import PATIENCE


@dataclass(frozen=True)
class Answer:
    """A response, read to its end."""

    status: int
    headers: Mapping[str, str]
    text: str


class DashboardClient:
    """A proxy over two backends, with a dashboard."""

    def __init__(self, place: Workspace, *words: str, port: int = 0) -> None:
        self.place = place
        self.proxy: ProxyProcess = place.proxy(
            place.backend(), place.backend(), words=("--dashboard", f"127.0.0.1:{port or place.port()}", *words)
        )
        self.url = self.proxy.complaint_with("dashboard: ").removeprefix("dashboard: ")
        split = urlsplit(self.url)
        self.host, self.port = split.netloc, int(split.port or 0)
        self.token = split.fragment.removeprefix("token=")

    def asks(self, path: str, method: str = "GET", body: object = None, **headers: str) -> Answer:
        """One request as our own page makes it, but for these headers."""
        ours = {"Host": self.host, "Origin": f"http://{self.host}", "Authorization": f"Bearer {self.token}"}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with closing(connection):
            connection.request(method, path, None if body is None else json.dumps(body), ours | headers)
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read().decode())

    def status(self, path: str, method: str = "GET", body: object = None, **headers: str) -> int:
        return self.asks(path, method, body, **headers).status

    def ends(self) -> None:
        assert self.proxy.ends_by(signal.SIGINT)[0] == 130
