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
from composectl.errors import ComposectlError

INVOCATION = Invocation(Options(), None, None, {}, Path("/"))
STILL_RUN = "\ncontainers still run: `composectl down` removes them"


class EndingClient:
    """A composectl that has ended once it is asked whether it has, unless that is `interrupted`."""

    def __init__(self, directory: str, *, interrupted: bool, swarm: bool = False) -> None:
        self.info = DaemonInfo("shop", 4711, directory, (), options={"swarm": str(swarm)})
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
        command.down.main([], obj=INVOCATION, standalone_mode=False)
    assert capsys.readouterr().err.strip() == f"Stopping composectl (process 4711){line}"


@pytest.fixture
def removed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The stacks that were removed."""
    names: list[str] = []

    async def remove_stack(_: Invocation, name: str) -> None:
        names.append(name)

    monkeypatch.setattr("composectl.orchestrator.stack.remove_stack", remove_stack)
    return names


def down(monkeypatch: pytest.MonkeyPatch, *words: str, swarm: bool) -> None:
    """Run it beside a composectl that balances containers, or a stack of a swarm."""
    monkeypatch.setattr(client, "find_daemon", lambda _: EndingClient("/srv/shop", interrupted=False, swarm=swarm))
    command.down.main([*words], obj=INVOCATION, standalone_mode=False)


@pytest.mark.parametrize("words", [(), ("--swarm",)])
def test_a_stack_is_removed_when_composectl_has_ended(
    words: tuple[str, ...], removed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    down(monkeypatch, *words, swarm=True)
    assert removed == ["shop"]


def test_options_of_compose_are_left_out_of_it(
    removed: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    down(monkeypatch, "--volumes", "--timeout", "0", swarm=True)
    assert removed == ["shop"]
    told = "warning: `--volumes` and `--timeout` are left out: `docker stack rm` does not know them\n"
    assert told in capsys.readouterr().err


def test_a_stack_that_is_none_is_not_removed(removed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ComposectlError, match="cannot be combined with project `shop`: it has no stack"):
        down(monkeypatch, "--swarm", swarm=False)
    assert removed == []
