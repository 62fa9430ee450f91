"""The image of the Dockerfile, and the engine's socket as a container gets it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from docker import DockerClient

from tests.support.paths import ROOT


@contextmanager
def proxy_image(engine: DockerClient) -> Iterator[str]:
    """Its name, for as long as the `with` block lasts."""
    name = f"composectl-e2e-proxy:{os.getpid()}"
    subprocess.run([ROOT / "scripts" / "image", name], check=True)
    yield name
    engine.images.remove(name, force=True)


def socket_of_engine() -> Path:
    """Where the engine listens on this machine."""
    return Path(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://"))
