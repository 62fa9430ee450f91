"""The images of the tests: each is built once a run, however many workers the run has."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from docker import DockerClient

from tests.support.paths import ROOT

RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID", f"{os.getpid()}")[:12]
"""Names this run; the images of another run may be removed meanwhile."""

ECHO_IMAGE = f"composectl-e2e-echo:{RUN}"
BACKEND_IMAGE = f"composectl-e2e-backend:{RUN}"
PROXY_IMAGE = f"composectl-e2e-proxy:{RUN}"

_BACKEND_SOURCES = ROOT / "tests" / "support" / "backend"


def build_echo(engine: DockerClient) -> list[str]:
    """Build the image of `examples/echo`; all images that were made for it."""
    made = subprocess.run([ROOT / "scripts" / "busybox-image"], check=True, capture_output=True, text=True)
    engine.images.build(path=str(ROOT / "examples" / "echo"), tag=ECHO_IMAGE, rm=True)
    return [ECHO_IMAGE, *made.stdout.split()]


def build_backend(engine: DockerClient) -> list[str]:
    """Compile the backend that counts what it executes, and build its image on `busybox`."""
    with tempfile.TemporaryDirectory() as context:
        subprocess.run([ROOT / "scripts" / "test-backend", f"{context}/backend"], check=True)
        (Path(context) / "Dockerfile").write_bytes((_BACKEND_SOURCES / "Dockerfile").read_bytes())
        engine.images.build(path=context, tag=BACKEND_IMAGE, rm=True)
    return [BACKEND_IMAGE]


def build_proxy(engine: DockerClient) -> list[str]:
    """Build the image of the Dockerfile."""
    subprocess.run([ROOT / "scripts" / "image", PROXY_IMAGE], check=True)
    return [PROXY_IMAGE]


@contextmanager
def shared(engine: DockerClient, build: Callable[[DockerClient], list[str]], folder: Path) -> Iterator[None]:
    """While entered, the images are there: the first worker builds them, the last one removes them.

    `folder` is the same for all workers of a run.
    """
    file = folder / build.__name__
    with _state_in(file) as state:
        state.images = state.images if state.users else build(engine)
        state.users += 1
    try:
        yield
    finally:
        with _state_in(file) as state:
            state.users -= 1
            for image in () if state.users else state.images:
                engine.images.remove(image, force=True)


# Private


@dataclass
class _State:
    users: int = 0
    images: list[str] = field(default_factory=list)


@contextmanager
def _state_in(file: Path) -> Iterator[_State]:
    """What the file keeps; no other worker reads or changes it meanwhile."""
    with file.open("a+") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        opened.seek(0)
        kept = opened.read()
        state = _State(**json.loads(kept)) if kept else _State()
        yield state
        opened.truncate(0)
        opened.write(json.dumps(asdict(state)))
