"""The transcript of the post of 2016, in its order."""

import pytest

from tests.support.compose_project import ComposeProject
from tests.support.http_client import SteadyLoad, ask


@pytest.mark.smoke
def test_two_then_ten_then_three_replicas_and_no_request_lost(project: ComposeProject) -> None:
    project.run("up", "--balance", "echo=2", "-d")
    assert project.has_ready(2)
    assert addresses_of(project, asks=20) == addresses(project)

    with SteadyLoad(project.port, per_second=100) as load:
        project.run("scale", "echo=10")
        assert len(addresses(project)) == 10
        assert len(project.containers()) == 10
        assert addresses_of(project, asks=100) == addresses(project)

        project.run("scale", "echo=3")
        assert len(addresses(project)) == 3
        assert len(project.containers()) == 3
        assert addresses_of(project, asks=50) == addresses(project)
    assert load.lost == []
    assert len(load.backends) > 100

    status = project.status()
    assert status["desired"] == 3
    assert status["totals"]["failed"] == 0
    assert status["totals"]["requests"] == len(load.backends) + 20 + 100 + 50


def test_scale_takes_a_service_to_nothing_and_back(project: ComposeProject) -> None:
    project.run("up", "--balance", "echo=1", "-d")
    project.run("scale", "echo=0")
    assert project.containers() == []

    project.run("scale", "echo=2")
    assert ask(project.port).is_whole


def addresses(project: ComposeProject) -> set[str]:
    """The backends that `status` tells of."""
    return {backend["address"] for backend in project.status()["backends"]}


def addresses_of(project: ComposeProject, asks: int) -> set[str | None]:
    """The backends that answer, as the loop of the post shows them."""
    return {ask(project.port).backend for _ in range(asks)}
