"""A word on stderr while something takes its time."""

import os
import sys

import pytest

from composectl.screen.console import spinner
from tests.support.paths import ROOT
from tests.support.terminal import Terminal

SPIN = """
from composectl.screen.console import spinner
with spinner("[bold]first") as update:
    input()
    update("second\\x1b[2J")
    input()
"""


def test_without_a_terminal_it_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    with spinner("Draining\n") as update:
        update("Draining still")
    assert capsys.readouterr() == ("", "Draining \n")


def test_a_terminal_spins_and_is_left_clean() -> None:
    with Terminal([sys.executable, "-c", SPIN], ROOT, os.environ) as terminal:
        terminal.until(r"\[bold\]first")
        terminal.type("\n")
        terminal.until("second")
        terminal.type("\n")
        last = terminal.rest()
        assert last.rstrip().endswith(("\x1b[2K", "\x1b[?25h"))
        assert "\x1b[2J" not in last


def test_no_color_spins_without_colour() -> None:
    with Terminal([sys.executable, "-c", SPIN], ROOT, os.environ | {"NO_COLOR": "1"}) as terminal:
        assert "m" not in terminal.until("first").replace("\x1b[?25l", "").partition("[bold]")[0]
