"""What setup.py compiles."""

from __future__ import annotations

import ast

import pytest

from tests.support.paths import ROOT


def hot_path() -> list[str]:
    for node in ast.parse((ROOT / "setup.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "HOT_PATH":
            return [str(path) for path in ast.literal_eval(node.value)]
    raise AssertionError("setup.py has no HOT_PATH")


@pytest.mark.parametrize("path", hot_path())
def test_every_file_of_the_hot_path_exists(path: str) -> None:
    assert (ROOT / path).is_file()
