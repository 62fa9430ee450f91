"""Names in compose files, whatever else is in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from composectl.compose.options import Options, known_files
from composectl.config.completion import profiles_in, services_in


def test_the_services_of_all_files_each_once(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("services: {echo: {image: a}, db: {}}")
    (tmp_path / "b.yml").write_text("services: {db: {ports: !reset []}, cache: {}}\nx-other: !odd [1]")
    assert services_in([tmp_path / "a.yml", tmp_path / "b.yml"]) == ["echo", "db", "cache"]


def test_the_profiles_that_services_name(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(
        "services: {a: {profiles: [debug, test]}, b: {profiles: [debug]}, c: {profiles: x}, d: 1}"
    )
    assert profiles_in([tmp_path / "a.yml"]) == ["debug", "test"]


@pytest.mark.parametrize(
    "text", ["", "[", "services", "services: [a]", "services: 1", "a: {b", "\0", "- &a [*a]", "x" * 1_000_001]
)
def test_a_file_of_another_kind_has_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.yml").write_text(text)
    assert services_in([tmp_path / "a.yml", tmp_path / "missing.yml", tmp_path]) == []


@pytest.fixture
def nested(tmp_path: Path) -> Path:
    for name in ("compose.yaml", "docker-compose.override.yml", "other.yml"):
        (tmp_path / name).touch()
    (tmp_path / "deeper").mkdir()
    return tmp_path / "deeper"


def test_usual_files_and_their_override_are_found_from_below(nested: Path) -> None:
    usual = known_files(Options(), {}, nested)
    assert [file.name for file in usual] == ["compose.yaml", "docker-compose.override.yml"]


def test_files_that_are_named_are_the_only_ones(nested: Path) -> None:
    for named in (
        known_files(Options(files=("../other.yml", "-", "missing.yml")), {}, nested),
        known_files(Options(), {"COMPOSE_FILE": "../other.yml"}, nested),
    ):
        assert [file.resolve().name for file in named] == ["other.yml"]
