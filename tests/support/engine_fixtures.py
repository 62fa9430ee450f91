"""The Docker Engine and the images of the tests, as fixtures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from docker import DockerClient


@pytest.fixture(scope="session")
def engine() -> Iterator[DockerClient]:
    import docker

    try:
        client = docker.from_env()
        client.ping()
    except (docker.errors.DockerException, OSError) as error:
        pytest.fail(f"cannot connect to a Docker Engine ({error}); `scripts/with-engine` starts one", pytrace=False)
    yield client
    client.close()


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all workers of this run have in common."""
    folder = tmp_path_factory.getbasetemp()
    return folder if worker_id == "master" else folder.parent


@pytest.fixture(scope="session")
def echo_image(engine: DockerClient, run_folder: Path) -> Iterator[str]:
    """The image of `examples/echo`."""
    from tests.support import images

    with images.shared(engine, images.build_echo, run_folder):
        yield images.ECHO_IMAGE


@pytest.fixture(scope="session")
def backend_image(engine: DockerClient, echo_image: str, run_folder: Path) -> Iterator[str]:
    """The image of `tests/support/backend`, on the same busybox as `examples/echo`."""
    from tests.support import images

    with images.shared(engine, images.build_backend, run_folder):
        yield images.BACKEND_IMAGE


@pytest.fixture(scope="session")
def proxy_image(engine: DockerClient, run_folder: Path) -> Iterator[str]:
    """The image of the Dockerfile."""
    from tests.support import images

    with images.shared(engine, images.build_proxy, run_folder):
        yield images.PROXY_IMAGE
