"""A real Prometheus on loopback, and what it answers."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.support.wait import wait_until

CONFIG = ROOT / "examples" / "prometheus.yml"


def tool(name: str) -> str:
    """Where it is."""
    found = shutil.which(name) or shutil.which(name, path=str(ROOT / ".tools"))
    assert found, f"{name} is missing: scripts/external brings it"
    return found


class Prometheus:
    def __init__(self, address: str) -> None:
        self._url = f"http://{address}/api/v1"

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """The labels and the value of each series, now; a wrong expression raises."""
        result = self._get(f"query?{urlencode({'query': expression})}")["result"]
        return [(series["metric"], float(series["value"][1])) for series in result]

    def value(self, expression: str) -> float | None:
        """The only value, if there is one."""
        values = [value for _, value in self.query(expression)]
        return values[0] if len(values) == 1 else None

    def targets(self) -> list[dict[str, Any]]:
        try:
            found: list[dict[str, Any]] = self._get("targets")["activeTargets"]
        except (URLError, ConnectionError):
            return []  # it does not listen yet
        return found

    # Private

    def _get(self, path: str) -> dict[str, Any]:
        with urlopen(f"{self._url}/{path}", timeout=30) as answer:
            data: dict[str, Any] = json.load(answer)["data"]
        return data


@contextmanager
def scraping(port: int) -> Iterator[Prometheus]:
    """While entered, one scrapes 127.0.0.1:`port` every second, by the configuration that we ship."""
    config = CONFIG.read_text().replace("127.0.0.1:9464", f"127.0.0.1:{port}").replace("interval: 5s", "interval: 1s")
    with TemporaryDirectory() as name:
        address = f"127.0.0.1:{free_port()}"
        (Path(name) / "prometheus.yml").write_text(config)
        process = subprocess.Popen(
            [
                *(tool("prometheus"), f"--config.file={name}/prometheus.yml", f"--storage.tsdb.path={name}/data"),
                *(f"--web.listen-address={address}", "--log.level=error"),
            ],
            cwd=name,
        )
        try:
            prometheus = Prometheus(address)
            assert wait_until(lambda: [target["health"] for target in prometheus.targets()] == ["up"]), (
                prometheus.targets()
            )
            yield prometheus
        finally:
            process.terminate()
            process.wait(30)
