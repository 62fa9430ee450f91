"""`scripts/audit` where pip-audit has its data, and where it has none."""

from __future__ import annotations

import shutil
import subprocess
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.support.paths import ROOT

# It answers for the release that the script asks for, and then for the pins.
WITH_DATA = 'case "$*" in *requirements/*) exit {found} ;; *) echo PYSEC-2020-148; exit 1 ;; esac'
WITHOUT_DATA = "exit 1"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The script and what it calls, in a folder of their own."""
    (tmp_path / "requirements").mkdir()
    (tmp_path / "scripts").mkdir()
    for name in ("audit", "packages.sh"):
        shutil.copy(ROOT / "scripts" / name, tmp_path / "scripts" / name)
    program(tmp_path / "scripts" / "python-tools", "exit 0")
    return tmp_path


def audit(copy: Path, pip_audit: str, days: int) -> subprocess.CompletedProcess[str]:
    """Run it with such a pip-audit, for pins that are so many days old."""
    tools = copy / ".tools" / "python" / "bin"
    tools.mkdir(parents=True)
    program(tools / "pip-audit", pip_audit)
    made = date.today() - timedelta(days)
    (copy / "requirements" / "runtime.txt").write_text(f"# Made by scripts/lock on {made}\n")
    return subprocess.run([copy / "scripts" / "audit"], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("found", [0, 1])
def test_where_pip_audit_has_data_its_word_counts(copy: Path, found: int) -> None:
    assert audit(copy, WITH_DATA.format(found=found), days=1000).returncode == found


@pytest.mark.parametrize(("days", "exit_code"), [(0, 0), (119, 0), (122, 1)])
def test_where_it_has_none_the_age_of_the_pins_counts(copy: Path, days: int, exit_code: int) -> None:
    done = audit(copy, WITHOUT_DATA, days)
    assert done.returncode == exit_code
    assert ("error: the pins in requirements/runtime.txt are" in done.stderr) is bool(exit_code)


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
