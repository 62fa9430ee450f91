"""What Prometheus would scrape of a project, whichever of its composectls is there."""

from __future__ import annotations

import socket

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.cli_error import cli_error_of
from tests.support.compose_project import ComposeProject
from tests.support.http_client import ask
from tests.support.ports import free_port

pytestmark = pytest.mark.parametrize("compose", ["v2"], indirect=True)


@pytest.mark.slow
def test_they_follow_the_replicas_and_are_handed_over(project: ComposeProject) -> None:
    port = free_port()
    words = ("up", "--balance", "echo=2", "--metrics", str(port), "-d")
    project.run(*words)
    assert project.has_ready(2)
    for _ in range(4):
        assert ask(project.port).is_whole
    assert scraped(port, "composectl_service_requests_total") == {(): 4}
    project.run("scale", "echo=1")
    assert scraped(port, "composectl_backend_phase", phase="ready") == {("1", "ready"): 1}
    assert scraped(port, "composectl_phase_changes_total", phase="draining") == {("draining",): 1}
    assert scraped(port, "composectl_service_responses_total", **{"class": "2xx"}) == {("2xx",): 4}
    project.run(*words, "--handover")
    assert project.has_ready(2)
    assert scraped(port, "composectl_service_requests_total") == {(): 0}


def test_a_port_that_is_held_is_told_before_anything_is_touched(project: ComposeProject) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        error = cli_error_of(project, "up", "--balance", "echo=2", "--metrics", str(held.getsockname()[1]), "-d")
    assert error.exit_code == 1
    assert error.message.startswith("cannot serve metrics: cannot listen on 127.0.0.1:")


def scraped(port: int, name: str, **having: str) -> dict[tuple[str, ...], float]:
    """The values of one metric, by the labels that are not the same for the whole project."""
    text = ask(port, "/metrics", host="127.0.0.1").text
    found = [
        sample for family in text_string_to_metric_families(text) for sample in family.samples if sample.name == name
    ]
    return {
        tuple(value for key, value in sample.labels.items() if key not in ("project", "service")): sample.value
        for sample in found
        if having.items() <= sample.labels.items()
    }
