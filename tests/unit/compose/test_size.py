"""Documents that are deeper or larger than any project, found out without reading all of what they stand for."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from composectl.compose.files import check_files, check_input
from composectl.compose.options import Options
from composectl.compose.project import parse_project, read_x_balance, services_with_x_balance
from composectl.compose.size import check_size
from composectl.errors import ComposectlError
from tests.support.examples import examples

DOCUMENTS = st.recursive(
    st.text(max_size=3) | st.integers() | st.none(),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=2), part, max_size=3),
    max_leaves=12,
)


def bomb(levels: int, indent: str = "") -> str:
    """Aliases of aliases, which stand for 9 to the power of `levels` texts."""
    lines = [f"{indent}a0: &a0 lol"]
    for level in range(1, levels):
        lines.append(f"{indent}a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]")
    return "\n".join(lines) + "\n"


def size_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(size_of(key) + size_of(part) for key, part in value.items())
    return 1 + sum(map(size_of, value)) if isinstance(value, list) else 1 + len(value) if isinstance(value, str) else 1


def depth_of(value: Any) -> int:
    parts = [*value.values()] if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if parts is None else 1 + max(map(depth_of, parts), default=0)


def is_fine(document: object, characters: int, depth: int) -> bool:
    try:
        check_size("it", document, characters, depth)
    except ComposectlError:
        return False
    return True


@examples(200)
@given(DOCUMENTS, st.integers(0, 30), st.integers(0, 4))
def test_it_is_as_large_and_as_deep_as_it_would_be_written_out(document: Any, characters: int, depth: int) -> None:
    written_out = size_of(document) <= characters and depth_of(document) <= depth
    assert is_fine(document, characters, depth) == written_out
    shared = [document, [document, document]]
    assert is_fine(shared, 3 * characters + 2, depth + 2) == (
        3 * size_of(document) <= 3 * characters and depth_of(document) <= depth
    )


def test_what_contains_itself_is_too_deep() -> None:
    with pytest.raises(ComposectlError, match="the project is nested too deeply: more than 100 levels"):
        check_size("the project", yaml.safe_load("&a [*a]"))


def test_depths_that_aliases_add_up_count() -> None:
    parts = ["&a0 " + "[" * 60 + "]" * 60]
    parts += [f"&a{number} {'[' * 60}*a{number - 1}{']' * 60}" for number in range(1, 30)]
    with pytest.raises(ComposectlError, match="is nested too deeply"):
        check_size("it", yaml.safe_load(f"[{', '.join(parts)}]"))


@pytest.mark.parametrize("service", ["x-balance: *a39", "x-balance: {trusted_proxies: *a39}"])
def test_an_alias_bomb_under_x_balance_is_one_line_at_once(service: str) -> None:
    began = time.thread_time()
    with pytest.raises(ComposectlError) as refused:
        read_x_balance(bomb(40) + f"services:\n  echo:\n    {service}\n")
    assert refused.value.message == (
        "`x-balance` of service `echo` is too large: more than 100,000 characters once its aliases are replaced"
    )
    assert time.thread_time() - began < 5


def test_an_alias_bomb_elsewhere_in_the_project_of_compose_1_is_one_line() -> None:
    with pytest.raises(ComposectlError, match="the project that Compose's `config` printed is too large: "):
        parse_project(bomb(40) + "services: {}\n", in_yaml=True)


@pytest.mark.parametrize("deep", ["[" * 600 + "]" * 600, '{"a":' * 600 + "1" + "}" * 600, "[" * 101 + "]" * 101])
def test_a_project_that_is_nested_too_deeply_is_one_line(deep: str) -> None:
    printed = f'{{"services": {{"echo": {{"x-balance": 1}}}}, "x-a": {deep}}}'
    for read in (parse_project, lambda text: parse_project(text, in_yaml=True)):
        with pytest.raises(ComposectlError, match="is nested too deeply: more than 100 levels"):
            read(printed)


def test_x_balance_in_a_document_that_is_nested_too_deeply_is_one_line() -> None:
    printed = f'{{"services": {{"echo": {{"x-balance": 1}}}}, "x-a": {"[" * 600}'
    with pytest.raises(ComposectlError, match="is nested too deeply"):
        read_x_balance(printed)


def test_files_that_are_nested_too_deeply_declare_nothing(tmp_path: Any) -> None:
    (tmp_path / "a.yml").write_text("services: {echo: {x-balance: 1}}\nx-a: " + "[" * 600)
    assert services_with_x_balance([tmp_path / "a.yml"]) == set()


def test_a_large_project_is_read() -> None:
    services = {f"s{number}": {"image": "a" * 1_000, "environment": {"A": "b"}} for number in range(1_000)}
    assert len(parse_project(json.dumps({"services": services})).services) == 1_000


@pytest.mark.parametrize("levels", [6, 7, 12, 40])
def test_an_alias_bomb_in_a_file_is_found_before_compose_reads_it(tmp_path: Path, levels: int) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(bomb(levels) + f"services:\n  echo:\n    x-balance: *a{levels - 1}\n")
    with pytest.raises(
        ComposectlError, match=r"the compose file compose\.yaml is too large: more than 200,000 characters"
    ):
        check_files([file])


@pytest.mark.parametrize(
    "deep", ["[" * 101 + "]" * 101, "[" * 500 + "]" * 500, "[" * 100_000, "{a: " * 5_000, "- " * 5_000]
)
def test_a_deep_file_is_found_before_compose_reads_it(tmp_path: Path, deep: str) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(f"services: {{}}\nx-a:\n  {deep}\n")
    with pytest.raises(ComposectlError, match="is nested too deeply: more than 100 levels"):
        check_files([file])


def test_other_files_are_left_to_compose(tmp_path: Path) -> None:
    texts = {
        "plain": "services: {echo: {image: a, ports: !reset []}}",
        "anchors": bomb(3) + "services: {a: &s {image: a}, b: {<<: *s}}",
        "wrong": "services: [",
        "large": "services: {a: {environment: {A: " + "x" * 2_000_000 + "}}}",
        "binary": "\x00",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    check_files([*(tmp_path / name for name in texts), tmp_path / "missing", tmp_path])


@pytest.mark.parametrize(
    "naming",
    [
        "include: [parts/b.yml]",
        "include: [{path: parts/b.yml}]",
        "include: [{path: [c.yml, parts/b.yml], project_directory: .}]",
        "services: {a: {extends: {file: parts/b.yml, service: b}}}",
        "include: [parts/a.yml]",
    ],
)
@pytest.mark.parametrize(("bad", "complaint"), [(bomb(40), "too large"), ("a: " + "[" * 101 + "]" * 101, "too deeply")])
def test_files_that_a_file_names_are_looked_at_too(tmp_path: Path, naming: str, bad: str, complaint: str) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "compose.yaml").write_text(naming)
    (tmp_path / "parts" / "a.yml").write_text("include: [b.yml, ../compose.yaml, a.yml, missing.yml, 1]")
    (tmp_path / "parts" / "b.yml").write_text(bad)
    with pytest.raises(ComposectlError, match=rf"the compose file b\.yml is .*{complaint}"):
        check_files([tmp_path / "compose.yaml"])


def test_a_file_that_is_named_from_the_project_directory_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "a.yml").write_text("include: [b.yml]")
    (tmp_path / "b.yml").write_text(bomb(40))
    with pytest.raises(ComposectlError, match=r"the compose file b\.yml is too large"):
        check_files([tmp_path / "parts" / "a.yml"], tmp_path)


def test_files_that_name_each_other_end(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.yml").write_text(f"include: [{(number + 1) % 3}.yml, ./{number}.yml]")
    check_files([tmp_path / "0.yml"])


def test_more_files_than_any_project_has_are_one_line(tmp_path: Path) -> None:
    names = [f"{number}.yml" for number in range(1_001)]
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "compose.yaml").write_text(f"include: {json.dumps(names)}")
    with pytest.raises(ComposectlError, match=r"^the compose files name more than 1,000 others$"):
        check_files([tmp_path / "compose.yaml"])


@pytest.mark.parametrize("text", [bomb(40), "include: [b.yml]"])
def test_a_file_on_standard_input_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (tmp_path / "b.yml").write_text(bomb(40))
    monkeypatch.setattr("composectl.compose.files.read_stdin", text.encode)
    with pytest.raises(ComposectlError, match=r"the compose file (on standard input|b\.yml) is too large"):
        check_input(Options(files=("-",)), {}, tmp_path)
