"""The man page says what the commands say."""

from __future__ import annotations

from scripts.man import man_page
from tests.support.commands import COMMANDS
from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "composectl.1"


def test_it_is_as_make_man_writes_it() -> None:
    assert PAGE.read_text() == man_page()


def test_it_has_every_command() -> None:
    assert all(f"\n.SS {name}\n".replace("-", r"\-") in PAGE.read_text() for name in COMMANDS)
