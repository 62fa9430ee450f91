"""Every row of docs/reference/http.md and docs/reference/docker.md has a test that names it."""

from __future__ import annotations

import re

import pytest

from tests.support.paths import ROOT

ROW = re.compile(r"^\| ([A-HJ]\d+) \|", re.MULTILINE)
NAMED = re.compile(r"(?<![a-z0-9])([a-hj]\d{1,2})(?![a-z0-9])")
# No such rows: they were folded into others.
GAPS = {"A9", "A29", "A30"}
LAST = {"A": 32, "B": 15, "C": 22, "D": 13, "E": 10, "F": 12, "G": 13, "J": 23, "H": 28}

REFERENCE = ROOT / "docs" / "reference"
ROWS = [row for page in ("http.md", "docker.md") for row in ROW.findall((REFERENCE / page).read_text())]


@pytest.fixture(scope="session")
def named(names_of_tests: list[str]) -> set[str]:
    """The rows that the names of tests have in them."""
    return {row.upper() for test in names_of_tests for row in NAMED.findall(test)}


def test_no_row_is_missing_or_there_twice() -> None:
    every = [f"{letter}{number}" for letter, last in LAST.items() for number in range(1, last + 1)]
    assert [row for row in every if row not in GAPS] == ROWS


@pytest.mark.parametrize("row", ROWS)
def test_a_row_has_a_test_that_names_it(named: set[str], row: str) -> None:
    assert row in named
