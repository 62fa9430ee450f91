"""A real Docker Engine, both Composes, and a project to play with."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker import DockerClient

from tests.support.backend_image import build_backend
from tests.support.compose_project import IMAGE, ComposeProject, NewComposeProject
from tests.support.paths import ROOT
from tests.support.proxy_image import proxy_image as make_proxy_image
from tests.support.resilience import Row, Scenario, keep_table, table

COMPOSES = {
    "1.29.2": ROOT / ".tools" / "docker-compose-v1",
    "v2": ROOT / ".tools" / "docker-compose-v2",
}

ROWS = pytest.StashKey[list[Row]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ROWS] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash[ROWS]
    if rows:
        terminalreporter.section("stories")
        terminalreporter.write(table(rows))
    if rows and (page := os.environ.get("COMPOSECTL_STORIES_PAGE")):
        keep_table(rows, Path(page))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def engine() -> Iterator[DockerClient]:
    try:
        client = docker.from_env()
        client.ping()
    except (docker.errors.DockerException, OSError) as error:
        pytest.fail(f"no Docker Engine answers ({error}); `make test` starts one", pytrace=False)
    yield client
    client.close()


@pytest.fixture(scope="session")
def echo_image(engine: DockerClient) -> Iterator[str]:
    """The image of `examples/echo`."""
    made = subprocess.run([ROOT / "scripts" / "busybox-image"], check=True, capture_output=True, text=True)
    engine.images.build(path=str(ROOT / "examples" / "echo"), tag=IMAGE, rm=True)
    yield IMAGE
    for image in (IMAGE, *made.stdout.split()):
        engine.images.remove(image, force=True)


@pytest.fixture(scope="session")
def backend_image(engine: DockerClient, echo_image: str) -> Iterator[str]:
    """The image of `tests/support/backend`, on the same busybox as `examples/echo`."""
    image = build_backend(engine)
    yield image
    engine.images.remove(image, force=True)


@pytest.fixture(scope="session")
def proxy_image(engine: DockerClient) -> Iterator[str]:
    """The image of the Dockerfile."""
    with make_proxy_image(engine) as image:
        yield image


@pytest.fixture(params=COMPOSES)
def compose(request: pytest.FixtureRequest) -> Path:
    """The Compose to use; parametrize it with `indirect` where one will do."""
    command = COMPOSES[request.param]
    if not command.exists():
        pytest.fail(f"{command} is missing; `make test` brings it", pytrace=False)
    return command


@pytest.fixture
def new_project(compose: Path, engine: DockerClient, echo_image: str) -> Iterator[NewComposeProject]:
    """Makes a project; all are taken down in the end, and nothing may be left of them."""
    projects: list[ComposeProject] = []

    def make() -> ComposeProject:
        projects.append(ComposeProject(compose, engine))
        return projects[-1]

    yield make
    for project in projects:
        project.stop()
    assert [litter for project in projects for litter in project.cleanup()] == []


@pytest.fixture
def project(new_project: NewComposeProject) -> ComposeProject:
    return new_project()


@pytest.fixture
def story(project: ComposeProject, backend_image: str, compose: Path, request: pytest.FixtureRequest) -> Scenario:
    name = next(name for name, command in COMPOSES.items() if command == compose)
    return Scenario(project, backend_image, name, request.config.stash[ROWS])
