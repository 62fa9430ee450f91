"""The pages link to what exists, and the README stays short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "examples/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
FILE = re.compile(r"`([\w./-]+/[\w.-]+\.(?:py|json|c))`")
TEST = re.compile(r"`(tests/[\w./-]+\.py)::(\w+)`")
FOLDERS = [ROOT, *(ROOT / name for name in ("composectl", "tests", "tests/support"))]
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
PEOPLE = re.compile(r"\b(who|whoever|whom|nobody|somebody|everybody|anybody|we|us|our|ours)\b", re.IGNORECASE)
# Its text comes from the names of test cases.
MADE = {"test-matrix.md"}


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("document", PAGES, ids=name_of)
def test_its_links_lead_somewhere(document: Path) -> None:
    for path, anchor in LINK.findall(document.read_text()):
        target = document.parent / path if path else document
        assert target.exists(), path
        assert not anchor or anchor in anchors(target.read_text()), f"{path}#{anchor}"


@pytest.mark.parametrize("document", PAGES, ids=name_of)
def test_the_files_that_it_names_exist(document: Path) -> None:
    named = set(FILE.findall(document.read_text()))
    assert {name for name in named if not any((folder / name).exists() for folder in FOLDERS)} == set()


@pytest.mark.parametrize("document", PAGES, ids=name_of)
def test_the_tests_that_it_names_exist(document: Path) -> None:
    for file, test in TEST.findall(document.read_text()):
        assert f"def {test}(" in (ROOT / file).read_text(), f"{file}::{test}"


def test_every_threat_has_a_test() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (ROOT / "docs/internals/threat-model.md").read_text().splitlines()
        if line.startswith("| ") and not line.startswith("| threat ")
    ]
    assert len(rows) > 20
    assert [row for row in rows if len(row) != 3 or not row[2].startswith("`tests/")] == []


@pytest.mark.parametrize("document", [page for page in PAGES if page.name not in MADE], ids=name_of)
def test_its_subjects_are_things(document: Path) -> None:
    assert PEOPLE.findall(document.read_text()) == []


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / path).resolve() for path, _ in LINK.findall(index.read_text())}
    assert {page for page in PAGES if page.is_relative_to(index.parent)} - {index} <= linked


def test_the_readme_has_at_most_150_lines() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def anchors(page: str) -> set[str]:
    """The anchors of its headings, as GitHub makes them."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in HEADING.findall(page)}
