"""Prometheus: its linter, its scrapes, its queries, and the dashboard for Grafana that is made of them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.support.http_client import ask
from tests.support.paths import ROOT
from tests.support.prometheus import CONFIG, Prometheus, scraping, tool
from tests.support.proxy_process import ProxyProcess, Workspace
from tests.support.wait import wait_until

HOST = "127.0.0.1"
GRAFANA = json.loads((ROOT / "examples" / "grafana" / "composectl.json").read_text())
EXPRESSIONS = [target["expr"] for panel in GRAFANA["panels"] for target in panel["targets"]]


@pytest.fixture
def scraped(place: Workspace) -> Iterator[ProxyProcess]:
    """A proxy with metrics, of whose three backends one is dead; some requests were answered, and some were not."""
    backends = [place.backend() for _ in range(3)]
    words = ("--metrics", "0", "--response-timeout", "3", "--name", "edge", "--policy", "round-robin")
    proxy = place.proxy(*backends, words=words)
    assert place.comes_to("ready", "ready", "ready")
    backends[2].close()
    for _ in range(20):
        assert ask(proxy.port, host=HOST).status == 200
    assert ask(proxy.port, "/held", host=HOST).status == 504
    yield proxy
    proxy.ends_by(signal.SIGINT)


def metrics_port(place: Workspace) -> int:
    (socket_path,) = place.runtime.rglob("*.sock")
    about = json.loads(curl(str(socket_path), "v1/about"))
    return int(re.search(r":(\d+)/metrics$", about["metrics"])[1])  # type: ignore[index]


def curl(socket_path: str, path: str) -> str:
    command = ["curl", "--silent", "--fail", "--unix-socket", socket_path, f"http://localhost/{path}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_promtool_finds_no_fault(place: Workspace, scraped: ProxyProcess) -> None:
    metrics = urlopen(f"http://{HOST}:{metrics_port(place)}/metrics", timeout=30).read()
    checked = subprocess.run([tool("promtool"), "check", "metrics"], input=metrics, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
    checked = subprocess.run([tool("promtool"), "check", "config", CONFIG], capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_it_scrapes_what_status_tells_and_answers_the_dashboard(place: Workspace, scraped: ProxyProcess) -> None:
    with scraping(metrics_port(place)) as prometheus:
        assert wait_until(lambda: prometheus.value("composectl_service_requests_total") == 21)
        status = place.status()
        it_has_the_counts_of(prometheus, status)
        assert ask(scraped.port, host=HOST).status == 200
        assert wait_until(lambda: prometheus.value("composectl_service_requests_total") == 22)
        for expression in map(filled, EXPRESSIONS):
            assert wait_until(partial(prometheus.query, expression)), expression


def it_has_the_counts_of(prometheus: Prometheus, service: dict[str, Any]) -> None:
    totals = service["totals"]
    assert prometheus.value("composectl_service_failures_total") == totals["failed"] == 1
    assert reasons(prometheus, "composectl_failures_total") == totals["failed_for"] == {"backend-too-slow": 1}
    assert reasons(prometheus, "composectl_retries_total") == totals["retried_for"]
    assert totals["retried"] >= 1
    for backend in service["backends"]:
        own = f'{{backend="{backend["number"]}",project="edge",service="proxy"}}'
        series = prometheus.query(f"composectl_requests_total{own}")
        assert {labels["class"]: value for labels, value in series} == backend["responses"]
        assert prometheus.value(f"composectl_backend_failures_total{own}") == backend["failed"]
        assert prometheus.value(f"composectl_request_duration_seconds_count{own}") == sum(backend["histogram"])
        assert prometheus.query(f"composectl_backend_phase{own} == 1")[0][0]["phase"] == backend["phase"]


def reasons(prometheus: Prometheus, name: str) -> dict[str, float]:
    return {labels["reason"]: value for labels, value in prometheus.query(name)}


def filled(expression: str) -> str:
    """As Grafana asks it."""
    for variable, value in {"$project": "edge", "$service": "proxy", "$__rate_interval": "30s"}.items():
        expression = expression.replace(variable, value)
    return expression


def test_the_control_socket_tells_the_same(place: Workspace, scraped: ProxyProcess) -> None:
    (socket_path,) = place.runtime.rglob("*.sock")
    url = f"http://{HOST}:{metrics_port(place)}/metrics"
    ours = [line for line in curl(str(socket_path), "metrics").splitlines() if line.startswith("composectl_")]
    scraped_ones = urlopen(Request(url), timeout=30).read().decode().splitlines()
    assert ours == [line for line in scraped_ones if line.startswith("composectl_")]
