"""`down`, interrupted while composectl ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest

from composectl.commands.down import down
from composectl.compose.options import Invocation, Options
from composectl.control import client
from composectl.control.commands import DaemonInfo


class InterruptedClient:
    def __init__(self, has_project: bool) -> None:
        self.info = DaemonInfo("shop", 4711, "/srv/shop" if has_project else "", ())
        self.path = self

    def stop(self) -> None:
        pass

    def exists(self) -> bool:
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("has_project", "line"), [(True, "containers still run: `composectl down` removes them\n"), (False, "")]
)
def test_interrupted_it_tells_what_still_runs(
    has_project: bool, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def find_daemon(invocation: Any) -> InterruptedClient:
        return InterruptedClient(has_project)

    monkeypatch.setattr(client, "find_daemon", find_daemon)
    with pytest.raises(click.Abort):
        down.main([], obj=Invocation(Options(), None, None, {}, Path("/")), standalone_mode=False)
    assert capsys.readouterr().err.strip() == f"Stopping composectl (process 4711)\n{line}".strip()
