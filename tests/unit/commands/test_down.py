"""`down`, interrupted while composectl ends or just before Compose begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import click
import pytest

from composectl.commands import down as command
from composectl.compose.options import Invocation, Options
from composectl.control import client
from composectl.control.commands import DaemonInfo

STILL_RUN = "\ncontainers still run: `composectl down` removes them"


class EndingClient:
    """A composectl that has ended once it is asked whether it has, unless that is `interrupted`."""

    def __init__(self, directory: str, *, interrupted: bool) -> None:
        self.info = DaemonInfo("shop", 4711, directory, ())
        self.path = self
        self._interrupted = interrupted

    def stop(self) -> None:
        pass

    def exists(self) -> bool:
        if self._interrupted:
            raise KeyboardInterrupt
        return False


@pytest.mark.parametrize(
    ("directory", "interrupted", "line"),
    [("/srv/shop", True, STILL_RUN), ("/srv/shop", False, STILL_RUN), ("", True, "")],
)
def test_interrupted_it_tells_what_still_runs(
    directory: str,
    interrupted: bool,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def find_daemon(invocation: Any) -> EndingClient:
        return EndingClient(directory, interrupted=interrupted)

    def pass_through(*words: Any) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(client, "find_daemon", find_daemon)
    monkeypatch.setattr("composectl.commands.down.pass_through", pass_through)
    with pytest.raises(click.Abort):
        command.down.main([], obj=Invocation(Options(), None, None, {}, Path("/")), standalone_mode=False)
    assert capsys.readouterr().err.strip() == f"Stopping composectl (process 4711){line}"
