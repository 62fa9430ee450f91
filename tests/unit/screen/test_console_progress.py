"""The progress of a command, printed line by line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from composectl.screen.console import print_progress


def test_each_line_is_told_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert print_progress(["echo: adding 2", "echo: 3 of 3 ready"]) == 0
    assert capsys.readouterr() == ("", "echo: adding 2\necho: 3 of 3 ready\n")


def test_h18_what_it_tells_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_progress(["echo-1\x1b[2J ready\nerror: none"])
    assert capsys.readouterr().err == "echo-1 ready error: none\n"


def test_ctrl_c_leaves_the_running_composectl_at_it_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    def lines() -> Iterator[str]:
        yield "echo: rolling out 3, 1 at a time"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        print_progress(lines())
    assert capsys.readouterr().err.splitlines()[1:] == [
        "the running composectl continues: `composectl status` shows the progress"
    ]
