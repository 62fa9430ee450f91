"""What each key does to what is shown, and what it asks for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from composectl.balance.snapshot import Snapshot
from composectl.screen.view import Command, Item, View, arranged, chosen, items, press, scaled, told
from tests.support.snapshots import NOW, backend, service, snapshot

SHOP = snapshot(service(3), service(0, service="web", desired=0))


def pressed(*reads: str | list[str], view: View | None = None, of: Snapshot = SHOP) -> tuple[View, list[Command]]:
    """The view after each of these reads of keys, one second apart, and what was asked for."""
    view, asked = view or View(), list[Command]()
    for second, keys in enumerate(reads):
        view, commands = press(view, of, keys if isinstance(keys, list) else [keys], NOW + second)
        asked += commands
    return view, asked


def selected(view: View, of: Snapshot = SHOP) -> Item | None:
    return chosen(view, of)


def test_the_first_replica_is_selected_at_first() -> None:
    assert selected(View()) == Item("echo", "000000000001", 1)


@pytest.mark.parametrize(
    ("keys", "number"),
    [(["down"], 2), (["down", "down", "up"], 2), (["up"], 1), (["end", "up"], 3), (["end", "home"], 1)],
)
def test_arrows_choose_a_replica(keys: list[str], number: int) -> None:
    view, asked = pressed(keys)
    item = selected(view)
    assert item is not None
    assert (item.number, asked) == (number, [])


def test_a_service_without_replicas_can_be_chosen_too() -> None:
    view, asked = pressed("end", "+")
    assert selected(view) == Item("web")
    assert asked == [Command("scale", "web", 1)]


def test_the_selection_stays_with_its_replica_and_then_with_its_place() -> None:
    view, _ = pressed("down")
    assert selected(view, snapshot(service(5))) == Item("echo", "000000000002", 2)
    without = service(backends=(backend(1), backend(3), backend(4)))
    assert selected(view, snapshot(without)) == Item("echo", "000000000003", 3)
    assert selected(view, snapshot(service(backends=(backend(1),)))) == Item("echo", "000000000001", 1)
    assert selected(view, snapshot(service(2, service="other"))) == Item("other", "000000000002", 2)
    assert chosen(view, Snapshot(1, "none", ())) is None


def test_plus_adds_at_once_and_counts_from_what_was_asked_for() -> None:
    view, asked = pressed("+", "+")
    assert asked == [Command("scale", "echo", 4), Command("scale", "echo", 5)]
    assert pressed("+", view=scaled(view, "echo"))[1] == [Command("scale", "echo", 4)]


@pytest.mark.parametrize(
    ("key", "question", "command"),
    [
        ("-", "scale echo to 2? press - again", Command("scale", "echo", 2)),
        ("d", "drain echo-echo-1? press d again", Command("drain", "echo", 1)),
        ("r", "roll out echo? press r again", Command("rollout", "echo")),
        ("q", "stop composectl and the replicas? press q again", Command("quit")),
    ],
)
def test_what_takes_something_away_asks_for_a_second_press(key: str, question: str, command: Command) -> None:
    first, asked = pressed(key, view=View(ends=True))
    assert first.question is not None
    assert (first.question.text, asked) == (question, [])
    assert pressed(key, view=first)[1] == [command]


@pytest.mark.parametrize("key", ["-", "d", "r", "q"])
@pytest.mark.parametrize("between", ["escape", "down", "s", "x", "?"])
def test_another_key_is_no_answer(key: str, between: str) -> None:
    asked = pressed(key, between, *(["x"] if between == "?" else []), view=View(ends=True))[0]
    assert pressed(key, view=asked)[1] == []


def test_another_question_takes_the_place_of_the_first() -> None:
    assert pressed("d", "r", "d", "r")[1] == []


@pytest.mark.parametrize("key", ["-", "d", "r", "q"])
def test_keys_that_come_together_answer_nothing(key: str) -> None:
    assert pressed([key, key], view=View(ends=True))[1] == []


def test_an_old_question_is_not_answered() -> None:
    view, _ = press(View(), SHOP, ["d"], NOW)
    assert press(view, SHOP, ["d"], NOW + 11)[1] == []


def test_what_was_asked_about_is_what_is_done() -> None:
    view, _ = pressed("d")
    other = snapshot(service(backends=(backend(2), backend(3))))
    assert press(view, other, ["d"], NOW)[1] == [Command("drain", "echo", 1)]


def test_q_leaves_at_once_where_composectl_goes_on() -> None:
    assert pressed("q")[1] == [Command("quit")]


def test_d_returns_a_drained_replica_at_once() -> None:
    of = snapshot(service(backends=(backend(1, phase="maintenance"),)))
    assert pressed("d", of=of)[1] == [Command("undrain", "echo", 1)]


@pytest.mark.parametrize("phase", ["draining", "drained"])
def test_a_replica_that_leaves_is_left_alone(phase: str) -> None:
    of = snapshot(service(backends=(backend(1, phase=phase),)))
    view, asked = pressed("d", "d", of=of)
    assert asked == []
    assert view.message is not None
    assert view.message.text == f"echo-echo-1 is {phase}"


def test_there_are_not_less_than_no_replicas() -> None:
    view, asked = pressed("end", "-", "-")
    assert asked == []
    assert view.message is not None
    assert view.message.text == "web has no replica"


def test_l_shows_the_logs_of_the_replica_and_hides_them() -> None:
    view, asked = pressed("down", "l")
    assert asked == [Command("logs", "echo", 2, pane=1)]
    assert view.pane is not None
    assert view.pane.title == "echo-echo-2"
    view, asked = pressed("down", "l", "l", view=view)
    assert asked == [Command("logs", "echo", 3, pane=2), Command("hide logs")]
    assert view.pane is None


def test_capital_l_shows_those_of_all_replicas() -> None:
    view, asked = pressed("L", "l", "L", "L")
    assert asked == [
        Command("logs", "echo", None, pane=1),
        Command("logs", "echo", 1, pane=2),
        Command("logs", "echo", None, pane=3),
        Command("hide logs"),
    ]
    assert view.pane is None


def test_escape_goes_back_one_step_at_a_time() -> None:
    view, asked = pressed("/", ["e", "c"], "enter", "l", "escape")
    assert asked[-1] == Command("hide logs")
    assert (view.pane, view.filter) == (None, "ec")
    assert pressed("escape", view=view)[0].filter == ""


def test_s_sorts_by_one_column_after_the_other() -> None:
    three = service(backends=(backend(1, requests=5), backend(2, requests=9), backend(3, requests=7, failed=1)))
    view, orders = View(), list[list[int]]()
    for _ in range(7):
        orders.append([found.number for found in arranged(view, three)])
        view, _ = press(view, snapshot(three), ["s"], NOW)
    assert orders == [[1, 2, 3], [2, 3, 1], [3, 2, 1], [3, 2, 1], [3, 1, 2], [3, 2, 1], [1, 2, 3]]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("echo-3", [3]), ("ECHO-3", [3]), ("18.0.3", [2]), ("#1", [1]), ("unhealthy", [2]), ("nothing", [])],
)
def test_a_filter_shows_replicas_by_name_number_address_and_phase(text: str, numbers: list[int]) -> None:
    of = snapshot(service(backends=(backend(1), backend(2, phase="unhealthy"), backend(3))))
    view, _ = pressed("/", list(text), of=of)
    assert [item.number for item in items(view, of)] == numbers


def test_while_a_filter_is_typed_keys_are_text() -> None:
    view, asked = pressed("/", list("qd+-L/?"), "backspace", "up")
    assert (view.filter, view.is_typing, asked) == ("qd+-L/", True, [])
    assert pressed("clear", view=view)[0].filter == ""
    done = pressed("enter", view=view)[0]
    assert (done.filter, done.is_typing) == ("qd+-L/", False)
    assert pressed("escape", view=view)[0] == replace(view, filter="", is_typing=False)


def test_keys_on_the_list_of_keys_only_close_it() -> None:
    view, asked = pressed("?", "q")
    assert (view.has_help, asked) == (False, [])


def test_pages_scroll_the_logs_alone() -> None:
    view, _ = pressed("L", "page up", "page up", "page down")
    assert view.pane is not None
    assert view.pane.scroll == 10
    assert pressed("page up")[0] == View()


@pytest.mark.parametrize("key", ["", "x", "tab", "é", "\x00"])
def test_other_keys_do_nothing(key: str) -> None:
    assert pressed(key) == (View(), [])


@pytest.mark.parametrize("key", ["+", "-", "d", "r", "l", "L", "up", "down", "home", "end", "s", "/", "?"])
def test_keys_on_nothing_ask_for_nothing(key: str) -> None:
    assert pressed(key, key, of=Snapshot(1, "none", ()))[1] == []


def test_a_message_stays_for_a_while() -> None:
    message: Any = told(View(), "echo: adding 1", NOW).message
    assert (message.text, message.until > NOW, message.is_error) == ("echo: adding 1", True, False)
