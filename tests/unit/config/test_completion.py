"""Names in compose files, whatever else is in them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from composectl.compose.options import Options, known_files
from composectl.config import completion
from composectl.config.completion import completed, profiles_in, services_in


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


ODD_NAMES = [
    "x;touch${IFS}pwned;",
    "$(reboot)",
    "`id`",
    "a b",
    "a\nb",
    "\x1b[2J",
    ":file",
    "-H",
    "--host=evil",
    "a'b",
    "é",
    "",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_names_that_compose_refuses_are_never_offered(tmp_path: Path, name: str) -> None:
    file = tmp_path / "a.yml"
    file.write_text(json.dumps({"services": {name: {}, "_web.1_a-B": {"profiles": [name, "debug"]}}}))
    assert services_in([file]) == ["_web.1_a-B"]
    assert profiles_in([file]) == ["debug"]


def test_a_word_from_elsewhere_is_one_printable_word_that_is_no_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completion, "contexts", lambda *_: ["near", "a b", "-H", ":dir", "a\tb", "a\nb", "\x1b[2J"])
    context = SimpleNamespace(obj=None, params={})
    assert completed("contexts")(context, None, "") == ["near", "a b"]


@pytest.mark.parametrize("text", ["[" * 100_000, "services: {a: " + "{b: " * 5_000, "x: &a [*a]"])
def test_a_file_that_is_nested_without_end_has_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.yml").write_text(text)
    assert services_in([tmp_path / "a.yml"]) == []


def test_profiles_that_aliases_repeat_are_read_once(tmp_path: Path) -> None:
    services = ", ".join(f"s{number}: *a" for number in range(20_000))
    names = ", ".join(f"p{number}" for number in range(20_000))
    (tmp_path / "a.yml").write_text(f"x: &a {{profiles: [{names}]}}\nservices: {{{services}}}")
    began = time.thread_time()
    assert len(profiles_in([tmp_path / "a.yml"])) == 20_000
    assert time.thread_time() - began < 10
