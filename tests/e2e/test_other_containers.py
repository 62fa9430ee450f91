"""What another container of the project reaches by the name of the service, and by the published port of the host."""

from __future__ import annotations

import pytest

from tests.support.compose_project import ComposeProject

PROJECT = """\
services:
  echo:
    image: {image}
    ports: ["{port}:9090"]
  web:
    image: {image}
    extra_hosts: ["host.docker.internal:host-gateway"]
"""
REQUESTS = 4


@pytest.mark.slow
@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_the_port_of_the_host_is_balanced_and_the_name_is_not(project: ComposeProject) -> None:
    project.write(PROJECT)
    project.run("up", "--balance", "echo=2", "-d")
    assert project.has_ready(2)

    addresses = {backend["address"].partition(":")[0] for backend in project.status()["backends"]}
    assert all(address in within(project, "nslookup", "echo") for address in addresses)
    assert within(project, "wget", "-qO-", "http://echo:9090/").startswith("I am ")
    assert project.status()["totals"]["requests"] == 0

    by_host = [within(project, "wget", "-qO-", f"http://host.docker.internal:{project.port}/") for _ in range(REQUESTS)]
    assert all(answer.startswith("I am ") for answer in by_host)
    assert project.status()["totals"]["requests"] == REQUESTS


def within(project: ComposeProject, *words: str) -> str:
    """What a program in the container of `web` prints."""
    return project.run("exec", "-T", "web", *words)
