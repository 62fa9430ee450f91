"""No other container gets a request: other services at the same addresses, other projects, one-offs."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from docker.models.containers import Container
from docker.models.networks import Network

from tests.support.compose_project import NewComposeProject
from tests.support.ports import claim
from tests.support.resilience import IN_TURN, IS_LONG, Scenario
from tests.support.wait import wait_until

pytestmark = pytest.mark.parametrize("compose", ["v2"], indirect=True)

SWAPS = 200 if IS_LONG else 15
RESTARTS = 20 if IS_LONG else 3

OTHER = """\
  other:
    image: {backend}
    environment:
      MARKER: other
    stop_grace_period: 1s
networks:
  default:
    ipam:
      config:
        - subnet: {subnet}
"""


def test_h10_swapped_addresses_lead_to_no_other_service(story: Scenario) -> None:
    serve_beside_another(story)
    (network,) = story.project.networks()
    other, mine = one_of(story, "other"), story.container(2)
    with story.under_load(f"{SWAPS} swaps of an address with another service") as load:
        away = [swap(network, mine, other) for _ in range(SWAPS)]
    assert Counter(service_of(fate.service) for fate in load.fates)["other"] == 0
    assert story.executed_twice() == []
    assert all(fate.method == "POST" for fate in load.failed), load.failed
    assert all(any(began - 1 < fate.sent < ended for began, ended in away) for fate in load.failed), (load.failed, away)


def test_h10_an_address_of_another_service_gets_no_requests(story: Scenario) -> None:
    serve_beside_another(story)
    other, mine = one_of(story, "other"), story.container(2)
    with story.under_load(f"{RESTARTS} restarts in another order than the stops") as load:
        for _ in range(RESTARTS):
            for container in (mine, other):
                container.stop(timeout=5)
            for container in (other, mine):
                container.start()
            assert story.comes_to("ready", "ready")
    assert Counter(service_of(fate.service) for fate in load.fates)["other"] == 0
    assert story.lost_nothing(load)


def test_h16_one_offs_and_other_projects_get_no_request(story: Scenario, new_project: NewComposeProject) -> None:
    story.serve(2, *IN_TURN)
    stranger = new_project()
    stranger.file.write_text(story.project.file.read_text().replace(str(story.project.port), str(stranger.port)))
    assert stranger.plain_compose("up", "-d").returncode == 0
    with story.under_load("a one-off and the same service of another project") as load:
        started = story.project.plain_compose("run", "-d", "--no-deps", "echo", "backend")
        assert started.returncode == 0, started.stderr
        assert wait_until(lambda: len(story.project.containers()) == 3)
        seen = len(load.fates)
        assert wait_until(lambda: len(load.fates) > seen + 200)
    one_off = next(container for container in story.project.containers() if "-run-" in container.name)
    one_off.remove(force=True)  # `down` leaves it
    assert story.phases() == ["ready", "ready"]
    assert {fate.backend for fate in load.fates} == {
        backend["address"] for backend in story.project.status()["backends"]
    }
    assert story.lost_nothing(load)


def serve_beside_another(story: Scenario) -> None:
    story.write()
    with story.project.file.open("a") as file:
        file.write(
            OTHER.format(backend=story.image, subnet=f"10.214.{claim('the subnet of a story', range(256))}.0/24")
        )
    story.project.run("up", "--balance", "echo=2", "-d")
    assert story.project.has_ready(2)


def one_of(story: Scenario, service: str) -> Container:
    label = "com.docker.compose.service"
    return next(container for container in story.project.containers() if container.labels[label] == service)


def swap(network: Network, first: Container, other: Container) -> tuple[float, float]:
    """Each gets the address that the other one had; when `first` was off the network, in epoch seconds."""
    addresses = [address_on(network, container) for container in (first, other)]
    began = time.time()
    network.disconnect(first)
    network.disconnect(other)
    for container, address in zip((other, first), addresses, strict=True):
        network.connect(container, ipv4_address=address)
    return began, time.time()


def address_on(network: Network, container: Container) -> str:
    container.reload()
    address: str = container.attrs["NetworkSettings"]["Networks"][network.name]["IPAddress"]
    return address


def service_of(said: str) -> str:
    return said.rpartition(" of ")[2]
