"""The image of the backend that counts what it executes."""

import os
import subprocess
import tempfile
from pathlib import Path

from docker import DockerClient

_SOURCES = Path(__file__).parent / "backend"


def build_backend(engine: DockerClient) -> str:
    """Compile `tests/support/backend` and build its image, on the image `busybox`; the image's name."""
    name = f"composectl-e2e-backend:{os.getpid()}"
    with tempfile.TemporaryDirectory() as context:
        command = ["gcc", "-static", "-O2", "-pthread", "-o", f"{context}/backend", str(_SOURCES / "backend.c")]
        subprocess.run(command, check=True)
        (Path(context) / "Dockerfile").write_bytes((_SOURCES / "Dockerfile").read_bytes())
        engine.images.build(path=context, tag=name, rm=True)
    return name
