"""What `composectl status` tells in another terminal."""

import json
from datetime import datetime

import pytest

from tests.support.cli_error import cli_error_of
from tests.support.compose_project import ComposeProject
from tests.support.http_client import ask

RESPONSES = {"1xx", "2xx", "3xx", "4xx", "5xx"}
SERVICE = {"service", "policy", "listeners", "desired", "since", "totals", "backends", "changes"}
TOTALS = {"requests", "in_flight", "failed", "retried", "queued", "responses"}
BACKEND = {
    *("number", "id", "name", "address", "phase", "in_flight", "requests", "failed", "retried", "responses"),
    *("p50_ms", "p95_ms", "p99_ms", "since"),
}


@pytest.mark.smoke
def test_i7_the_json_has_the_keys_that_the_readme_promises(project: ComposeProject) -> None:
    project.run("up", "--balance", "echo=2", "-d")
    ask(project.port)

    status = json.loads(project.run("status", "--json"))
    assert set(status) >= {"version", "project", "stale_since", "services"}
    assert (status["version"], status["project"]) == (1, project.name)
    (service,) = status["services"]
    assert set(service) >= SERVICE
    assert (service["service"], service["desired"]) == ("echo", 2)
    assert f"0.0.0.0:{project.port}" in service["listeners"]
    assert datetime.fromisoformat(service["since"]).tzinfo
    assert set(service["totals"]) >= TOTALS
    assert set(service["totals"]["responses"]) == RESPONSES
    for backend in service["backends"]:
        assert set(backend) >= BACKEND
        assert set(backend["responses"]) == RESPONSES
        assert datetime.fromisoformat(backend["since"]).tzinfo
    served = next(backend for backend in service["backends"] if backend["requests"])
    assert 0 < served["p50_ms"] <= served["p95_ms"] <= served["p99_ms"]


@pytest.mark.slow
def test_the_backends_are_the_containers_by_number(project: ComposeProject) -> None:
    project.run("up", "--balance", "echo=11", "-d")
    assert project.has_ready(11)

    backends = project.status()["backends"]
    assert [backend["number"] for backend in backends] == list(range(1, 12))
    assert {(backend["id"], backend["name"]) for backend in backends} == {
        (container.id[:12], container.name) for container in project.containers()
    }


def test_the_table_has_a_row_for_each_backend(project: ComposeProject) -> None:
    project.run("up", "--balance", "echo=3", "-d")

    for words in (("status",), ("status", "echo")):
        table = project.run(*words)
        assert all(backend["address"] in table for backend in project.status()["backends"])


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
@pytest.mark.slow
def test_a_service_that_is_not_balanced_is_refused(project: ComposeProject) -> None:
    project.run("up", "--balance", "echo=1", "-d")

    done = project.composectl("status", "ecoh")
    assert done.returncode == 1
    assert "ecoh" in done.stderr


def test_i7_with_nothing_running_it_says_so(project: ComposeProject) -> None:
    error = cli_error_of(project, "status")
    assert error.exit_code == 1
    assert "no composectl is running" in error.message
    assert "composectl up --balance" in error.hint
