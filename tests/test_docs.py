"""The pages link to what exists, and the README stays short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from composectl.balance.shared_pool import WORKER_ENDED
from composectl.proxy.errors import ErrorReason
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
FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
NOT_PROSE = re.compile(r"^(?:#+ |\||!\[|<!--).*$", re.MULTILINE)
PARAGRAPH_END = re.compile(r"\n(?: *\n)+|\n(?= *(?:[-*]|\d+\.) )")
CODE = re.compile(r"(`+).+?\1", re.DOTALL)
LINK_TEXT = re.compile(r"\[([^\]]*)\]\([^)]*\)")
SENTENCE_END = re.compile(r"(?<=[.!?:;])\**\s+")
WORD = re.compile(r"\S*\w\S*")


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


def test_every_error_reason_is_explained_once() -> None:
    page = (ROOT / "docs/reference/error-reasons.md").read_text()
    assert sorted(re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)) == sorted([*ErrorReason, WORKER_ENDED])


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


@pytest.mark.parametrize("document", [page for page in PAGES if page.name not in MADE], ids=name_of)
def test_its_sentences_have_at_most_25_words(document: Path) -> None:
    assert [sentence for sentence in sentences(document.read_text()) if len(WORD.findall(sentence)) > 25] == []


def test_a_sentence_is_split_from_what_is_not_prose() -> None:
    page = "# Title\n\nOne [link\ntext](a.md), `a. b`. **Two.**\n- an item\n  goes on; ends\n\n    code\n\n| a | b |\n"
    assert sentences(page) == ["One link text, code.", "**Two.**", "- an item goes on;", "ends"]


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / path).resolve() for path, _ in LINK.findall(index.read_text())}
    assert {page for page in PAGES if page.is_relative_to(index.parent)} - {index} <= linked


def test_the_readme_has_at_most_150_lines() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def anchors(page: str) -> set[str]:
    """The anchors of its headings, as GitHub makes them."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in HEADING.findall(page)}


def sentences(page: str) -> list[str]:
    """Those of its prose, with the text of each link, and one word for each span of code."""
    prose = NOT_PROSE.sub("", FENCED.sub("", page))
    paragraphs = [text for text in PARAGRAPH_END.split(prose) if not text.startswith("    ")]
    words = [LINK_TEXT.sub(r"\1", CODE.sub("code", text)) for text in paragraphs]
    return [" ".join(sentence.split()) for text in words for sentence in SENTENCE_END.split(text) if sentence.strip()]
