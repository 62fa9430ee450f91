"""The engine is stopped for ten seconds under load and started again, as an upgrade does; the replicas run on."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from docker import DockerClient

from composectl.control.client import running_daemons
from tests.support.images import BACKEND_IMAGE, build_backend, build_echo
from tests.support.own_engine import OwnEngine, own_engine
from tests.support.resilience import Scenario
from tests.support.wait import is_seen, wait_until

pytestmark = pytest.mark.parametrize("compose", ["v2"], indirect=True)

SECONDS = 10.0


@pytest.fixture(scope="module")
def own() -> Iterator[OwnEngine]:
    with own_engine() as engine:
        yield engine


@pytest.fixture(scope="module")
def engine(own: OwnEngine) -> Iterator[DockerClient]:
    client = own.client()
    yield client
    client.close()


@pytest.fixture(scope="module")
def echo_image() -> None:
    """Nothing here needs it."""


@pytest.fixture(scope="module")
def backend_image(own: OwnEngine, engine: DockerClient) -> str:
    build_echo(engine)
    build_backend(engine)
    return BACKEND_IMAGE


def test_h12_an_engine_away_for_ten_seconds_costs_no_request(story: Scenario, own: OwnEngine) -> None:
    story.serve(3)
    before = story.project.status()
    with story.under_load("engine stopped for 10 s and started again") as load:
        stopped = time.monotonic()
        own.stop()
        assert is_seen(lambda: is_stale(story), within=5)
        assert "engine unreachable since " in story.project.run("status")
        assert wait_until(lambda: time.monotonic() - stopped > SECONDS)
        own.start()
        assert is_seen(lambda: not is_stale(story), within=5)
        assert "engine unreachable" not in story.project.run("status")
    assert story.lost_nothing(load)
    after = story.project.status()
    assert after["changes"] == before["changes"]
    assert [backend["id"] for backend in after["backends"]] == [backend["id"] for backend in before["backends"]]
    story.scale(2)


def is_stale(story: Scenario) -> bool:
    (daemon,) = running_daemons(story.project.runtime / "composectl")
    return daemon.status()["stale_since"] is not None
