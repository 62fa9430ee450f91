"""docs/reference/control-api.md: each of its commands does what is written there."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from tests.support.paths import ROOT
from tests.support.proxy_process import Workspace

PAGE = (ROOT / "docs" / "reference" / "control-api.md").read_text()
COMMANDS = re.findall(r"^\$ (curl .*)$", PAGE, re.MULTILINE)
TOO_LATE = 28  # curl's exit code where `--max-time` ends it


def test_each_command_is_answered(place: Workspace) -> None:
    proxy = place.proxy(place.backend(), words=("--metrics", "0"))
    (path,) = place.runtime.rglob("*.sock")
    answers = {command: run(command, path) for command in sorted(COMMANDS, key=lambda command: "/v1/stop" in command)}
    paths = {re.search(r"http://localhost(/\S+)", command)[1] for command in COMMANDS}  # type: ignore[index]
    assert paths >= {"/v1/about", "/v1/status", "/v1/events", "/metrics", "/v1/scale", "/v1/drain", "/v1/stop"}
    for command, answer in answers.items():
        if "--data" in command:
            assert "error" in json.loads(answer)  # there is no `echo` here
        elif "/v1/events" in command:
            assert answer.startswith("event: snapshot\ndata: {")
        elif "/metrics" in command:
            assert "composectl_build_info" in answer
        else:
            assert json.loads(answer)
    proxy.ends_by()


def run(command: str, path: Path) -> str:
    done = subprocess.run(
        ["sh", "-c", command], env={"SOCKET": str(path), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True
    )
    assert done.returncode in (0, TOO_LATE if "--max-time" in command else 0), command
    return done.stdout
