"""The table with keys, as it is drawn: the line at the foot, the logs below, and the list of keys."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from composectl.balance.snapshot import ServiceView
from composectl.balance.waiting import Waiting
from composectl.screen.pane import PrintedLine
from composectl.screen.table import render_view
from composectl.screen.view import Pane, View, press, told
from tests.support.snapshots import NOW, backend, service, snapshot

HOSTILE = "\x1b[2J\x1b]0;owned\x07[bold red]evil[/]\u202e\u200b\rhere\x9b31m"
ALL, THIRD = Pane("echo", None, "echo", 1), Pane("echo", 3, "echo-echo-3", 1)
STARTING = Waiting("echo", 2, "2", "echo-echo-2", "port 80", "refused", last_lines=("migrating", "still migrating"))


def drawn(
    *services: ServiceView,
    view: View | None = None,
    log: Sequence[PrintedLine] = (),
    width: int = 80,
    height: int = 24,
    colour: bool = False,
) -> list[str]:
    out = io.StringIO()
    shown = render_view(snapshot(*services), view or View(), log, now=NOW, width=width, height=height)
    console = Console(
        file=out, width=width, color_system="standard" if colour else None, force_terminal=colour, legacy_windows=False
    )
    console.print(shown, end="")
    return out.getvalue().splitlines()


def after(*reads: str, of: ServiceView | None = None, view: View | None = None) -> View:
    view = view or View()
    for keys in reads:
        view, _ = press(view, snapshot(of or service(3)), [keys], NOW)
    return view


def printed(count: int, source: str = "echo-1") -> list[PrintedLine]:
    return [PrintedLine(source, f"line {number}") for number in range(1, count + 1)]


@pytest.mark.parametrize("height", [4, 6, 8, 12, 24, 50])
@pytest.mark.parametrize("width", [20, 40, 80, 200])
@pytest.mark.parametrize("reads", [[], ["?"], ["/"], ["d"], ["l"], ["L", "page up"], ["s", "s"]])
def test_it_fits_every_terminal(height: int, width: int, reads: list[str]) -> None:
    services = (service(10, waiting=(STARTING,)), service(4, service="web"))
    lines = drawn(*services, view=after(*reads), log=printed(100), width=width, height=height)
    assert len(lines) <= height
    assert all(cell_len(line) <= width for line in lines)


def test_the_selected_replica_is_marked_without_colour_too() -> None:
    lines = drawn(service(3), view=after("down"))
    assert [line[:3] for line in lines[3:7]] == [" # ", " 1 ", ">2 ", " 3 "]
    assert "\x1b[7" in "".join(drawn(service(3), view=after("down"), colour=True))


def test_the_columns_do_not_move_with_the_selection() -> None:
    ten = service(10)
    headings = {drawn(ten, view=after(*["down"] * moves, of=ten))[3] for moves in range(10)}
    assert len(headings) == 1


def test_the_foot_names_the_keys_in_80_columns() -> None:
    assert drawn(service(3))[-1] == "? keys  + - scale  d drain  r roll out  l L logs  s sort  / filter  q leave"
    assert drawn(service(3), view=View(ends=True))[-1].endswith("/ filter  q stop")


def test_the_foot_asks_and_tells() -> None:
    assert drawn(view=after("d"))[-1] == "drain echo-echo-1? press d again"
    assert drawn(view=told(View(), f"{HOSTILE} is told", NOW))[-1] == "[bold red]evil[/] here is told"
    assert drawn(view=after("/", "e", "c"))[-1] == "filter: ec_"
    assert drawn(view=after("/", "e", "c", "enter", "s"))[-1].startswith("filter: ec  by requests  ? keys")


def test_a_long_message_is_wrapped_in_three_lines_at_most() -> None:
    lines = drawn(view=told(View(), "word " * 100, NOW, is_error=True), width=40)
    assert [line.split()[0] for line in lines[-3:]] == ["word"] * 3
    assert lines[-1].endswith("…")


def test_a_question_and_a_message_are_over_after_a_while() -> None:
    view = told(after("d"), "told", NOW)
    late = render_view(snapshot(service(3)), replace(view), [], now=NOW + 60, width=80, height=24)
    console = Console(file=io.StringIO(), width=80, color_system=None)
    with console.capture() as captured:
        console.print(late)
    assert "press d again" not in captured.get()
    assert "told" not in captured.get()


def test_the_list_of_keys_fits_24_lines() -> None:
    lines = drawn(view=after("?"))
    assert len(lines) <= 24
    assert any(line.startswith("d  ") and "drain" in line for line in lines)
    assert any(line.startswith("q  ") and "keeps running" in line for line in lines)


def test_the_logs_of_a_replica_take_what_is_free_and_at_least_half() -> None:
    lines = drawn(service(3), view=View(pane=THIRD), log=printed(50))
    title = next(at for at, line in enumerate(lines) if line.startswith("logs of echo-echo-3 ---"))
    assert len(lines) == 24
    assert lines[-2] == "line 50"
    assert title <= 12
    assert "3/3 ready" in lines[0]
    assert any(line.startswith(">1 ") for line in lines[:title])


def test_the_logs_of_all_replicas_say_whose_a_line_is() -> None:
    log = [PrintedLine("echo-1", "one"), PrintedLine("echo-12", "twelve", after_gap=True)]
    assert drawn(service(3), view=View(pane=ALL), log=log)[-3:-1] == ["echo-1  | one", "echo-12 | ... twelve"]


def test_logs_that_are_scrolled_say_how_much_is_below() -> None:
    lines = drawn(service(3), view=View(pane=replace(THIRD, scroll=10)), log=printed(50))
    assert any(line.startswith("logs of echo-echo-3  10 below: page down ---") for line in lines)
    assert lines[-2] == "line 40"
    top = drawn(service(3), view=View(pane=replace(THIRD, scroll=1000)), log=printed(50))
    assert "line 1" in top


def test_a_log_without_lines_says_so() -> None:
    assert "nothing is printed yet" in drawn(service(3), view=View(pane=THIRD))


def test_h18_a_log_cannot_steer_the_terminal() -> None:
    log = [PrintedLine(HOSTILE, HOSTILE), PrintedLine("echo-1", "tab\there\x00\x07")]
    text = "\n".join(drawn(service(3), view=View(pane=replace(ALL, title=HOSTILE)), log=log))
    assert "[bold red]evil[/] here | [bold red]evil[/] here" in text, text
    assert not any(character in text for character in "\x1b\x07\x00\x9b\r\u202e\u200b\t")


def test_the_selected_replica_is_in_view_among_many() -> None:
    many = service(100)
    lines = drawn(many, view=after(*["down"] * 70, of=many))
    assert any(line.startswith(">71 ") for line in lines)
    assert any(line.startswith("... ") and "more: " in line for line in lines)


def test_the_selected_service_is_in_view_among_many() -> None:
    services = [service(3, service=f"s{number}") for number in range(40)]
    view = View()
    for _ in range(3 * 35 + 1):
        view, _ = press(view, snapshot(*services), ["down"], NOW)
    lines = drawn(*services, view=view)
    assert any(line.startswith("s35 ") for line in lines)


def test_the_selected_replica_is_in_view_where_services_share_the_lines() -> None:
    services = [service(10, service=f"s{number}") for number in range(4)]
    view = View()
    for _ in range(25):
        view, _ = press(view, snapshot(*services), ["down"], NOW)
    lines = drawn(*services, view=view)
    assert sum(line.startswith(">6 ") for line in lines) == 1


def test_a_filter_that_nothing_matches_says_so() -> None:
    assert " no replica matches the filter" in drawn(service(3), view=after("/", "x", "y"))


def test_a_service_without_replicas_is_marked() -> None:
    assert ">no replica yet" in drawn(service(0))


def test_the_last_lines_of_what_starts_stay_in_view_beside_keys_and_logs() -> None:
    ten = service(10, waiting=(STARTING,))
    for view in (View(), View(pane=THIRD)):
        lines = drawn(ten, view=view, log=printed(100))
        assert any("still migrating" in line for line in lines), lines


def test_shares_are_of_all_requests_whatever_is_filtered() -> None:
    two = service(backends=(backend(1, requests=1), backend(2, requests=3)))
    assert any("25.0%" in line for line in drawn(two, view=after("/", *"echo-1", of=two), width=120))
