"""The live table on a real pseudo-terminal, and the table where there is none."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.snapshots import backend, service, snapshot
from tests.support.terminal import Terminal

HIDDEN, SHOWN = "\x1b[?25l", "\x1b[?25h"
ERASED = re.escape("\x1b[2K")
PRINT_TABLE = """
import json, sys
from composectl.balance.snapshot import Snapshot
from composectl.screen.live import is_live, print_table
from tests.support.paths import ROOT
print_table(Snapshot.from_json(json.load(open(sys.argv[1]))))
sys.stderr.write(f"live: {is_live()}")
"""


def drawing(*arguments: str, columns: int = 100, lines: int = 30, **environment: str) -> Terminal:
    command = [sys.executable, "-m", "tests.support.drawing", *arguments]
    return Terminal(command, ROOT, os.environ | environment, lines, columns)


@pytest.fixture
def picture(tmp_path: Path) -> Iterator[str]:
    path = tmp_path / "snapshot.json"
    many = service(backends=tuple(backend(number, name=f"{'long-' * 9}{number}") for number in range(1, 101)))
    path.write_text(json.dumps(snapshot(many).as_json()))
    return str(path)


def test_rows_appear_counts_rise_and_the_whole_table_stays() -> None:
    with drawing("3") as terminal:
        first = requests_of(terminal.until(r"echo-echo-3 .*,000"))
        while requests_of(terminal.until(r"echo-echo-3 .*,000")) <= first:
            pass
        terminal.type("\x03")
        last = terminal.rest()
        assert terminal.process.returncode == 0
        assert last.rindex("the end") > last.rindex("echo-echo-6") > last.rindex("echo-echo-3 ")


def test_the_cursor_is_hidden_while_drawing_and_shown_at_the_end() -> None:
    with drawing("3") as terminal:
        assert HIDDEN in terminal.until("echo-echo-3")
        terminal.type("\x03")
        assert SHOWN in terminal.rest().rpartition(HIDDEN)[2]


def test_the_cursor_is_shown_after_a_fault_too() -> None:
    with drawing("3", "--fault") as terminal:
        last = terminal.rest()
        assert SHOWN in last.rpartition(HIDDEN)[2]
        assert terminal.echoes()
        assert terminal.process.returncode == 1


@pytest.mark.slow
def test_the_cursor_is_shown_where_the_last_table_cannot_be_drawn() -> None:
    with drawing("3") as terminal:
        terminal.until("echo-echo-3")
        drawing_process = Path(f"/proc/{terminal.process.pid}/task/{terminal.process.pid}/children").read_text()
        os.kill(int(drawing_process), signal.SIGSTOP)
        terminal.type("\x03")
        assert SHOWN in terminal.rest().rpartition(HIDDEN)[2]


def test_keys_leave_no_trace() -> None:
    with drawing("3") as terminal:
        terminal.until("echo-echo-3")
        assert not terminal.echoes()
        terminal.type("xyzzy\x03")
        last = terminal.rest()
        assert "xyzzy" not in last
        assert "^C" not in last
        assert terminal.echoes()


def test_i9_the_table_follows_the_terminals_size() -> None:
    with drawing("3", columns=100) as terminal:
        terminal.until("errors")
        terminal.resize(rows=30, columns=30)
        terminal.until(re.escape("\x1b[2J"))
        narrow = terminal.until(ERASED)
        assert "requests" in narrow
        assert "errors" not in narrow
        terminal.resize(rows=30, columns=100)
        terminal.until("errors")


def test_what_did_not_fit_is_shown_at_the_end() -> None:
    with drawing("60", lines=20) as terminal:
        terminal.until(r"\.\.\. \d+ more: \d+ ready")
        terminal.type("\x03")
        assert re.search(r"echo-echo-60 .*the end", terminal.rest(), re.DOTALL)


def test_h18_lines_above_the_table_cannot_steer_the_terminal() -> None:
    with drawing("3", "--lie") as terminal:
        assert "\x1b[2J" not in terminal.until(re.escape("it says [red]this"))


def test_i9_no_color_draws_without_colour() -> None:
    with drawing("3", NO_COLOR="1") as terminal:
        seen = terminal.until(ERASED) + terminal.until(ERASED)
        assert "echo-echo-3" in seen
        assert not re.search(r"\x1b\[[0-9;]*m", seen)


def test_an_encoding_without_bars_gets_stand_ins() -> None:
    with drawing("3", PYTHONIOENCODING="latin-1") as terminal:
        assert "====" in terminal.until("echo-echo-3 .*,000.*\n")
        terminal.type("\x03")
        assert terminal.end() == 0


@pytest.mark.parametrize("environment", [{}, {"FORCE_COLOR": "1"}, {"COLUMNS": "40"}])
def test_i9_a_pipe_gets_every_row_uncut_and_without_escapes(picture: str, environment: dict[str, str]) -> None:
    run = subprocess.run(
        [sys.executable, "-c", PRINT_TABLE, picture],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=True,
    )
    assert run.stderr == "live: False"
    assert "\x1b" not in run.stdout
    assert f"{'long-' * 9}100" in run.stdout
    assert "p50 ms" in run.stdout


@pytest.mark.parametrize(
    ("environment", "live", "coloured"),
    [({}, True, True), ({"NO_COLOR": "1"}, True, False), ({"TERM": "dumb"}, False, False)],
)
def test_a_terminal_gets_colour_unless_it_is_refused(
    picture: str, environment: dict[str, str], live: bool, coloured: bool
) -> None:
    command = [sys.executable, "-c", PRINT_TABLE, picture]
    kind = environment.get("TERM", "xterm-256color")
    with Terminal(command, ROOT, os.environ | environment, 24, 80, kind) as terminal:
        seen = terminal.rest()
    assert f"live: {live}" in seen
    assert ("\x1b" in seen) is coloured
    assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in seen.splitlines()) <= 80


def requests_of(drawn: str) -> int:
    """The count at the end of what was drawn."""
    return int(drawn.rpartition(" ")[2].replace(",", ""))
