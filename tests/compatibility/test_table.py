"""The table of the matrix, and the page that shows it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.compatibility.rows import ROWS
from tests.compatibility.table import renewed, table
from tests.support.paths import ROOT

COMPOSES = {"1.29.2": "1.29.2", "2.26": "2.26.1", "newest": "2.40.3"}
OLD = {"engine": "20.10.24+dfsg1", "composes": COMPOSES, "cells": []}
PAGE = "before\n<!-- written by make matrix -->\nold\n<!-- end -->\nafter\n"


def cell(**changes: object) -> dict[str, object]:
    return {"row": ROWS[0], "compose": "2.26", "says": "refused", "is_well": True, **changes}


def test_a_column_is_an_engine_and_a_compose() -> None:
    assert words(table([OLD]))[0] == ["", "20.10 · 1.29", "20.10 · 2.26", "20.10 · 2.40"]


def test_a_swarm_has_a_column_of_its_own() -> None:
    swarm = OLD | {"composes": {"Swarm": "Swarm"}, "cells": [cell(compose="Swarm", says="left out")]}
    heads, _, first, *_ = words(table([OLD, swarm]))
    assert heads[-2:] == ["20.10 · 2.40", "20.10 · Swarm"]
    assert first == [ROWS[0], "-", "-", "-", "left out"]


def test_an_unseen_cell_is_empty_and_one_failure_fails_a_cell() -> None:
    kept = [cell(), cell(compose="newest"), cell(compose="newest", is_well=False)]
    assert words(table([OLD | {"cells": kept}]))[2] == [ROWS[0], "-", "refused", "✗"]


def test_the_page_is_left_as_it_is_but_for_the_table() -> None:
    assert renewed(PAGE, "new\n") == PAGE.replace("old", "new")


def test_no_row_is_there_twice_and_the_page_has_all_of_them() -> None:
    assert len(set(ROWS)) == len(ROWS)
    page = Path(ROOT / "docs" / "internals" / "test-matrix.md").read_text()
    assert [row for row, *_ in words(page)[2:]] == list(ROWS)
    assert "✗" not in page.partition("<!-- written")[2]


def words(text: str) -> list[list[str]]:
    lines = re.findall(r"^\| (.*) \|$", text, re.MULTILINE)
    return [[word.strip() for word in line.split(" | ")] for line in lines]
