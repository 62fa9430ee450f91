"""The page of the commands shows what the commands declare."""

from __future__ import annotations

from scripts.reference import reference
from tests.support.commands import COMMANDS
from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "reference" / "cli.md"


def test_it_is_as_the_script_writes_it() -> None:
    assert PAGE.read_text() == reference()


def test_it_has_every_command() -> None:
    assert all(f"\n### {name}\n" in PAGE.read_text() for name in COMMANDS)
