"""The generated pages show what the commands and the table of options declare."""

from __future__ import annotations

from composectl.config.options import KEYS, OPTIONS
from scripts.reference import options, reference
from tests.support.commands import COMMANDS
from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "reference" / "cli.md"
OPTIONS_PAGE = ROOT / "docs" / "reference" / "options.md"


def test_it_is_as_the_script_writes_it() -> None:
    assert PAGE.read_text() == reference()


def test_it_has_every_command() -> None:
    assert all(f"\n### {name}\n" in PAGE.read_text() for name in COMMANDS)


def test_the_page_of_options_is_as_the_script_writes_it() -> None:
    assert OPTIONS_PAGE.read_text() == options()


def test_the_page_of_options_has_every_flag_and_every_key() -> None:
    page = OPTIONS_PAGE.read_text()
    assert all(f"`{row.flag}`" in page for row in OPTIONS if {"up", "proxy"} & {*row.commands})
    assert all(f"`{key}`" in page for key in KEYS)
