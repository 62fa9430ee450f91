"""The Composes of the matrix, as they are called and as they call themselves."""

from __future__ import annotations

import subprocess
from pathlib import Path

from composectl.compose.binary import parse_version
from tests.support.paths import ROOT
from tests.support.project_shape import NEWEST, V1, V2_26

_COMMANDS = {V1: "docker-compose-v1", V2_26: "docker-compose-2.26", NEWEST: "docker-compose-v2"}


def command_of(compose: str) -> Path:
    command = ROOT / ".tools" / _COMMANDS[compose]
    assert command.exists(), f"{command} is missing; `make test` brings it"
    return command


def version_of(compose: str) -> str:
    """`2.40.3`"""
    finished = subprocess.run([command_of(compose), "version", "--short"], check=True, capture_output=True, text=True)
    return ".".join(map(str, parse_version(finished.stdout) or ()))
