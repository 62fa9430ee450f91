"""What formats man pages finds nothing wrong with ours."""

from __future__ import annotations

import shutil
import subprocess

from tests.integration.test_man import PAGE


def formatted(*command: str) -> subprocess.CompletedProcess[str]:
    path = shutil.which(command[0])
    assert path, f"{command[0]} is missing: scripts/external installs it"
    return subprocess.run([path, *command[1:], PAGE], capture_output=True, text=True, check=False, timeout=60)


def test_man_shows_it_without_a_warning() -> None:
    shown = formatted("man", "--local-file", "--warnings", "--pager=cat", "--no-hyphenation")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "composectl systemd-unit --balance echo=10 > ~/.config/systemd/user/composectl-shop.service" in shown.stdout


def test_mandoc_finds_nothing() -> None:
    linted = formatted("mandoc", "-Tlint", "-Wwarning")
    assert (linted.returncode, linted.stdout) == (0, "")
