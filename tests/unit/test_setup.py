"""What setup.py compiles."""

from __future__ import annotations

import ast

import pytest

from tests.support.paths import ROOT


def hot_path() -> list[str]:
    tree = ast.parse((ROOT / "setup.py").read_text())
    lists = [node.value for node in tree.body if isinstance(node, ast.Assign) and isinstance(node.value, ast.List)]
    return [str(ast.literal_eval(path)) for paths in lists for path in paths.elts]


@pytest.mark.parametrize("path", hot_path())
def test_every_file_of_the_hot_path_exists(path: str) -> None:
    assert (ROOT / path).is_file()
