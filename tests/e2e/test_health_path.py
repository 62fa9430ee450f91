"""`--health-check-path PATH`: a replica is left out while its path answers badly."""

import pytest

from tests.support.compose_project import ComposeProject
from tests.support.http_client import burst
from tests.support.wait import wait_until

SCRIPT = "/www/cgi-bin/index.cgi"


def phases(project: ComposeProject) -> list[str]:
    return [backend["phase"] for backend in project.status()["backends"]]


def answering(project: ComposeProject) -> set[str | None]:
    """The backends that answer 60 requests, each of which must be answered well."""
    answers = burst(project.port, 60, concurrency=6)
    assert all(answer.is_whole for answer in answers)
    return {answer.backend for answer in answers}


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
@pytest.mark.slow
def test_a_replica_gets_no_requests_while_its_page_is_missing(project: ComposeProject) -> None:
    project.run("up", "--balance", "echo=3", "--policy", "round-robin", "--health-check-path", "/?health", "-d")
    assert project.has_ready(3)
    second = project.status()["backends"][1]
    container = project.engine.containers.get(second["id"])

    container.exec_run(["mv", SCRIPT, "/tmp/"])
    assert wait_until(lambda: phases(project) == ["ready", "unhealthy", "ready"])
    assert project.status()["changes"][-1]["reason"] == "/?health answered 404"
    assert second["address"] not in answering(project)

    container.exec_run(["mv", "/tmp/index.cgi", SCRIPT])
    assert project.has_ready(3)
    assert second["address"] in answering(project)
