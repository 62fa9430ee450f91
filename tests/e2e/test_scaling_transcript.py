"""The transcript of the post of 2016, in its order."""

from tests.support.compose_project import ComposeProject
from tests.support.http_client import ask
from tests.support.load_generator import echo_load
from tests.support.wait import wait_until


def test_two_then_ten_then_three_replicas_and_no_request_lost(project: ComposeProject) -> None:
    project.run("up", "--balance", "echo=2", "-d")
    assert project.has_ready(2)
    curled = asked(project, at_least=20)

    with echo_load(project.port, per_second=100) as load:
        project.run("scale", "echo=10")
        assert len(addresses(project)) == 10
        assert len(project.containers()) == 10
        curled += asked(project, at_least=100)
        assert wait_until(lambda: addresses(project) <= set(load.backends))

        project.run("scale", "echo=3")
        assert len(addresses(project)) == 3
        assert len(project.containers()) == 3
        curled += asked(project, at_least=50)
    assert load.failed == []

    status = project.status()
    assert status["desired"] == 3
    assert status["totals"]["failed"] == 0
    assert status["totals"]["requests"] == len(load.backends) + curled


def test_scale_takes_a_service_to_nothing_and_back(project: ComposeProject) -> None:
    project.run("up", "--balance", "echo=1", "-d")
    project.run("scale", "echo=0")
    assert project.containers() == []

    project.run("scale", "echo=2")
    assert ask(project.port).is_whole


def addresses(project: ComposeProject) -> set[str]:
    """The backends that `status` tells of."""
    return {backend["address"] for backend in project.status()["backends"]}


def asked(project: ComposeProject, at_least: int) -> int:
    """How often it takes, in the loop of the post, until all backends have answered, and no others."""
    expected, seen = addresses(project), set[str | None]()
    for times in range(1, 20 * at_least):
        seen.add(ask(project.port).backend)
        assert seen <= expected
        if times >= at_least and seen == expected:
            return times
    raise AssertionError(f"only {seen} of {expected} answer")
