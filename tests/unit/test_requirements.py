"""What development, CI and the image install: pinned, with hashes, and all that pyproject.toml asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.paths import ROOT

FILES = sorted((ROOT / "requirements").glob("*.txt"))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUNTIME = PYPROJECT["project"]["dependencies"]
BUILD = PYPROJECT["build-system"]["requires"]
TEST = PYPROJECT["project"]["optional-dependencies"]["test"]
PIN = re.compile(
    r"^(?P<name>[\w.-]+)==(?P<version>[^\s;\\]+)(?: ; [^\\]+)? \\(?:\n    --hash=sha256:[0-9a-f]{64}(?: \\)?)+$",
    re.M,
)


def pins(file: Path) -> dict[str, str]:
    return {canonicalize_name(pin["name"]): pin["version"] for pin in PIN.finditer(file.read_text())}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_there_is_nothing_in_it_but_pins_with_hashes_and_its_day(file: Path) -> None:
    first, _, rest = file.read_text().partition("\n")
    assert re.fullmatch(r"# Made by scripts/lock on \d{4}-\d\d-\d\d", first)
    assert PIN.sub("", rest).split() == []
    assert pins(file)


@pytest.mark.parametrize(
    ("name", "asked"), [("runtime", RUNTIME), ("build", BUILD), ("development", [*RUNTIME, *BUILD, *TEST])]
)
def test_all_that_is_asked_for_is_pinned(name: str, asked: list[str]) -> None:
    pinned = pins(ROOT / "requirements" / f"{name}.txt")
    for requirement in map(Requirement, asked):
        version = pinned.get(canonicalize_name(requirement.name))
        assert version, f"{requirement} is not pinned: run `scripts/lock`"
        assert requirement.specifier.contains(version), f"{requirement}: {version} is pinned; run `scripts/lock`"


def test_compose_1_is_installed_by_its_hashes() -> None:
    file = ROOT / "scripts" / "compose-v1.txt"
    assert re.sub(r"^#.*", "", PIN.sub("", file.read_text())).split() == []
    assert pins(file)["docker-compose"] == "1.29.2"


def test_what_runs_and_what_builds_is_what_is_tested() -> None:
    tested = pins(ROOT / "requirements" / "development.txt")
    for name in ("runtime", "build"):
        assert pins(ROOT / "requirements" / f"{name}.txt").items() <= tested.items()


def test_the_base_of_the_image_is_pinned_by_its_digest() -> None:
    assert re.search(r"^ARG BASE=[\w.:-]+@sha256:[0-9a-f]{64}$", (ROOT / "Dockerfile").read_text(), re.M)
