"""`make demo` away from a terminal: the tour of the README, on the port of the example."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from docker import DockerClient

from tests.support import leftovers
from tests.support.paths import ROOT


@pytest.mark.parametrize("compose", ["1.29.2", "v2"], indirect=True)
@pytest.mark.slow
def test_the_demo_shows_ten_replicas_and_leaves_nothing(compose: Path, engine: DockerClient, echo_image: str) -> None:
    done = subprocess.run(
        [ROOT / "scripts" / "demo"],
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "COMPOSECTL_COMPOSE": str(compose),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(set(re.findall(r"X-Internal-Service: (\S+:9090)", done.stdout))) == 10
    assert "$ composectl status" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    (project,) = set(re.findall(r"echo-demo-\d+", done.stdout + done.stderr))
    assert leftovers.of_docker(engine, project) == []
    assert not [image for image in engine.images.list() if any(project in tag for tag in image.tags)]
