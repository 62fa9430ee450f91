"""systemd itself reads the units that we print."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.external.conftest import said_by

PROJECT = '{"name": "shop", "services": {"echo": {"image": "a", "ports": [{"target": 80, "published": "8080"}]}}}'
SECRETS = dict.fromkeys(
    ("DOCKER_AUTH_CONFIG", "DOCKER_PASSWORD", "DOCKER_TOKEN", "COMPOSE_DB_PASSWORD", "COMPOSECTL_API_KEY"), "hunter2"
)
COMPOSE = f"""#!/bin/sh
case "$*" in
  version*) echo 2.40.3 ;;
  *) echo '{PROJECT}' ;;
esac
"""


def program(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o700)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One whose name means something to systemd from its first to its last sign."""
    made = tmp_path / 'it\'s 100%h "$HOME" \\n'
    made.mkdir()
    (made / "run").mkdir(0o700)
    program(made / "compose", COMPOSE)
    program(made / "composectl", f"#!{sys.executable}\nfrom composectl.cli import main\nmain()\n")
    return made


def printed(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [folder / "composectl", *words],
        cwd=folder,
        env=os.environ
        | SECRETS
        | {"COMPOSECTL_COMPOSE": str(folder / "compose"), "COMPOSE_PROFILES": "debug"}
        | {"XDG_RUNTIME_DIR": str(folder / "run")},  # no composectl of the same project runs there
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def test_it_accepts_a_unit_whatever_signs_are_in_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))  # else it asks for the manager of a login
    words = ("--balance", "echo=2", "--health-check-path", '/"$1%i\\', "--drain-timeout", "12")
    done = printed(folder, "-f", "compose.yml", "systemd-unit", *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert "TimeoutStopSec=32\n" in done.stdout
    assert re.search(r'^Environment="?COMPOSECTL_COMPOSE=', done.stdout, re.MULTILINE)
    assert "Environment=COMPOSE_PROFILES=debug\n" in done.stdout
    assert "hunter2" not in done.stdout
    unit = tmp_path / "composectl-shop.service"
    unit.write_text(done.stdout)
    assert await said_by("systemd-analyze", "verify", "--user", str(unit)) == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--balance", "echo=2", "-d"), "`-d` cannot be combined with `systemd-unit`"),
        ((), "missing option `--balance`"),
        (("--balance", "echo=2", "--access-log-format", "json"), "`--access-log-format` requires `--access-log`"),
        (("--balance", "echo=2", "--metrics", "here"), "invalid value `here` for `--metrics`: expected [HOST:]PORT"),
        (("--balance", "ecoh=2"), "no service `ecoh` in the compose file"),
        (("--balance", "echo=2", "--policy", "best"), "invalid value `best` for `--policy`: expected "),
    ],
)
def test_what_up_would_refuse_is_refused(folder: Path, words: tuple[str, ...], message: str) -> None:
    done = printed(folder, "systemd-unit", *words)
    assert done.returncode != 0
    assert done.stdout == ""
    assert done.stderr.startswith(f"error: {message}")
