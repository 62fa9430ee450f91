"""Lines that say why replicas are not ready."""

from __future__ import annotations

from dataclasses import replace

import pytest

from composectl.balance.waiting import Waiting
from composectl.screen.waiting import waiting_lines, waiting_spinner
from tests.support.snapshots import render, service

CRASHES = Waiting(
    "web", 1, "0" * 12, "shop-web-1", "", "", "", "restarting", 3, 5, last_lines=("starting", "\x1b[31mkaboom")
)
UNREACHED = Waiting("web", 2, "1" * 12, "shop-web-2", "port 80", "Connection refused", "publish another port")


def test_each_reason_is_a_line_with_what_to_do_and_the_last_output() -> None:
    assert waiting_lines([CRASHES, UNREACHED]) == [
        "shop-web-1: restarting: exit code 3, 5 restarts",
        "  | starting",
        "  | kaboom",
        "shop-web-2: port 80: Connection refused",
        "  to do: publish another port",
    ]
    assert waiting_lines([CRASHES], output=0) == ["shop-web-1: restarting: exit code 3, 5 restarts"]
    assert waiting_lines([CRASHES], output=1)[1:] == ["  | kaboom"]


def test_replicas_with_the_same_reason_share_a_line() -> None:
    many = [replace(CRASHES, number=number, name=f"shop-web-{number}", last_lines=()) for number in range(1, 11)]
    assert waiting_lines(many) == ["shop-web-1 and 9 more: restarting: exit code 3, 5 restarts"]


def test_the_table_shows_them_below_the_replicas() -> None:
    lines = render(service(1, desired=3, waiting=(CRASHES, UNREACHED)))
    at = lines.index("shop-web-1: restarting: exit code 3, 5 restarts")
    assert lines[at - 1] == ""
    assert lines[at + 3 : at + 5] == ["shop-web-2: port 80: Connection refused", "  to do: publish another port"]


@pytest.mark.parametrize("width", [120, 40, 20])
@pytest.mark.parametrize("height", [50, 24, 12, 6, 5, 4, 3, 2, 1])
@pytest.mark.parametrize("services", [1, 2, 9])
def test_the_table_is_never_higher_than_the_terminal(services: int, height: int, width: int) -> None:
    troubled = [service(100, waiting=(CRASHES, UNREACHED))] * services
    assert 0 < len(render(*troubled, width=width, height=height)) <= height


def test_a_small_terminal_shows_the_first_reason() -> None:
    assert "shop-web-1: restarting: exit code 3, 5 restarts" in render(service(3, waiting=(CRASHES,)), height=9)


def test_without_a_terminal_a_reason_is_printed_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("composectl.screen.waiting._SOON", 0.0)
    with waiting_spinner("Waiting") as update:
        update("Waiting\nweb-1: restarting: 4 restarts")
        update("Waiting\nweb-1: restarting: 5 restarts\ndb-1: exited")
    assert capsys.readouterr().err == "Waiting\nweb-1: restarting: 4 restarts\ndb-1: exited\n"
