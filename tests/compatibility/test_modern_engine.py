"""A modern engine lives beside others, another one of its kind included, and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker import DockerClient

from tests.support.paths import ROOT

pytestmark = pytest.mark.modern


@pytest.fixture
def folder() -> Iterator[Path]:
    """One with a short name: those of sockets cannot be long."""
    made = Path(tempfile.mkdtemp(prefix="e2e-"))
    yield made
    shutil.rmtree(made)


def test_another_one_comes_and_goes(engine: DockerClient, folder: Path) -> None:
    before = bridges()
    words = ["docker", "info", "--format", "{{.ID}} {{.ServerVersion}}"]
    command = [ROOT / "scripts" / "with-engine", "--modern", *words]
    finished = subprocess.run(
        command, check=True, capture_output=True, text=True, env=os.environ | {"TMPDIR": str(folder)}
    )
    other, version = finished.stdout.split()
    mine = engine.info()
    assert other != mine["ID"]
    assert version == mine["ServerVersion"]
    assert list(folder.iterdir()) == []
    assert processes_of(folder) == []
    assert bridges() == before


def bridges() -> set[str]:
    """Those that `with-engine` makes."""
    return {path.name for path in Path("/sys/class/net").glob("cctl*")}


def processes_of(folder: Path) -> list[str]:
    """The command lines that tell of the folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text()
        except OSError:  # it ended meanwhile
            continue
        if str(folder) in words:
            found.append(words)
    return found
