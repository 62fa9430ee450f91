"""The main job: ten replicas behind the port that the file already publishes."""

from collections import Counter

import pytest

from tests.support.compose_project import ComposeProject
from tests.support.http_client import Answer, burst

REQUESTS = 1000
REPLICAS = 10
AT_ONCE = 20


@pytest.fixture
def answers(project: ComposeProject) -> list[Answer]:
    project.run("up", "--balance", f"echo={REPLICAS}", "-d")
    assert project.has_ready(REPLICAS)
    # Wave after wave, each on idle replicas: with least-request the faster ones get more, and the scheduler of two
    # saturated cores makes some of them several times as fast as others.
    waves = [burst(project.port, AT_ONCE, AT_ONCE, "/?sleep=0.05") for _ in range(REQUESTS // AT_ONCE)]
    return [answer for wave in waves for answer in wave]


def test_each_replica_gets_its_share_and_all_are_counted(project: ComposeProject, answers: list[Answer]) -> None:
    assert Counter(answer.status for answer in answers) == {200: REQUESTS}
    assert all(answer.is_whole for answer in answers)
    shares = Counter(answer.backend for answer in answers)
    assert len(shares) == REPLICAS
    assert all(80 <= share <= 120 for share in shares.values()), shares

    status = project.status()
    assert status["totals"]["requests"] == REQUESTS
    assert status["totals"]["responses"] == {"1xx": 0, "2xx": REQUESTS, "3xx": 0, "4xx": 0, "5xx": 0}
    assert (status["totals"]["failed"], status["totals"]["in_flight"]) == (0, 0)
    assert {backend["address"]: backend["requests"] for backend in status["backends"]} == shares

    for answer in answers:
        address, port = answer.backend.split(":")
        assert f" at {address}\n" in answer.text
        assert port == "9090"


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
@pytest.mark.slow
def test_in_turn_means_the_same_number_for_each(project: ComposeProject) -> None:
    project.run("up", "--balance", f"echo={REPLICAS}", "--policy", "round-robin", "-d")
    assert project.has_ready(REPLICAS)

    shares = Counter(answer.backend for answer in burst(project.port, 200, concurrency=20))
    assert set(shares.values()) == {20}, shares
