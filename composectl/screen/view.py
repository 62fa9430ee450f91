"""What is shown of a snapshot and what keys do to it: pure, so that a key is a function of what was on the screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from composectl.balance.snapshot import BackendView, ServiceView, Snapshot
from composectl.screen.keys import BACKSPACE, CLEAR, DOWN, END, ENTER, ESCAPE, HOME, PAGE_DOWN, PAGE_UP, UP

KEYS = (
    ("up, down", "choose a replica"),
    ("home, end", "choose the first, or the last one"),
    ("+", "add a replica to the service"),
    ("-", "remove one"),
    ("d", "drain the replica; undrain it, if it is drained"),
    ("r", "roll out the service"),
    ("l", "show the logs of the replica; hide them"),
    ("L", "show the logs of all replicas of the service; hide them"),
    ("page up, page down", "scroll in the logs"),
    ("s", "sort by the next column"),
    ("/", "show only replicas whose name, number, address or phase contains a text"),
    ("escape", "cancel, or go back"),
    ("?", "show the keys"),
)
_IN_MAINTENANCE, _LEAVING = "maintenance", ("draining", "drained", "gone")
_QUESTION_SECONDS = 10.0  # after which a second press is a first one
_MESSAGE_SECONDS = 10.0
_LONGEST_FILTER = 60
_PAGE = 10


@dataclass(frozen=True, slots=True)
class Item:
    """What can be chosen: a replica, or a service that shows none; then the id is empty."""

    service: str
    id: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True)
class Command:
    """What a key asks for.

    `kind`: `scale` (`number`: the desired replicas), `drain`, `undrain`, `rollout`, `logs` (`number`: None for all
    replicas; `pane`: which one the lines are for), `hide logs` or `quit`.
    """

    kind: str
    service: str = ""
    number: int | None = None
    pane: int = 0


@dataclass(frozen=True, slots=True)
class Question:
    """A command that waits for a second press of its key, until the epoch second `until`."""

    key: str
    text: str
    command: Command
    until: float


@dataclass(frozen=True, slots=True)
class Message:
    text: str
    until: float
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Pane:
    """The logs of a replica, or of all of a service; each pane that is opened has a higher `serial`.

    `scroll`: how many of the newest lines are below it.
    """

    service: str
    number: int | None
    title: str
    serial: int
    scroll: int = 0


@dataclass(frozen=True, slots=True)
class View:
    """`selected` None is the first item; `targets`: what services are being scaled to.

    `ends`: whether leaving the table ends composectl.
    """

    ends: bool = False
    selected: Item | None = None
    sort: str = "number"
    filter: str = ""
    is_typing: bool = False
    has_help: bool = False
    pane: Pane | None = None
    panes: int = 0
    question: Question | None = None
    message: Message | None = None
    targets: Mapping[str, int] = field(default_factory=dict)


Pressed = tuple[View, Command | None]


def arranged(view: View | None, service: ServiceView) -> list[BackendView]:
    """The backends that are shown, in order."""
    backends = sorted(service.backends, key=lambda backend: (backend.number, backend.since))
    if view is None:
        return backends
    if view.filter:
        backends = [backend for backend in backends if _matches(view.filter, backend)]
    if view.sort in _SORTS:
        backends.sort(key=_SORTS[view.sort], reverse=True)
    return backends


def items(view: View, snapshot: Snapshot) -> list[Item]:
    """All that can be chosen, in the order in which it is shown."""
    return list(dict.fromkeys(_items(view, snapshot)))


def chosen(view: View, snapshot: Snapshot) -> Item | None:
    """The item that is selected; where it has gone, the one at its place."""
    found, wanted = items(view, snapshot), view.selected
    if wanted is None or wanted in found:
        return wanted or next(iter(found), None)
    beside = [item for item in found if item.service == wanted.service]
    later = (item for item in beside if item.number >= wanted.number)
    return next(later, None) or next(reversed(beside or found), None)


def press(view: View, snapshot: Snapshot, keys: Sequence[str], now: float) -> tuple[View, list[Command]]:
    """What the keys of one read do; `now` in epoch seconds.

    A question is answered by a key of a later read alone: what was pasted answers nothing.
    """
    commands = []
    asked = view.question
    for key in keys:
        question, view = view.question, replace(view, question=None)
        if question is not None and question is asked and key == question.key and now < question.until:
            view, command = _carried_out(view, question.command)
        elif question is not None and key == ESCAPE:
            command = None
        else:
            view, command = _press(view, snapshot, key, now)
        if command is not None:
            commands.append(command)
    return view, commands


def told(view: View, text: str, now: float, *, is_error: bool = False) -> View:
    """The view with this message."""
    return replace(view, message=Message(text, now + _MESSAGE_SECONDS, is_error))


def scaled(view: View, service: str) -> View:
    """The view after a service has been scaled, or could not be."""
    return replace(view, targets={name: count for name, count in view.targets.items() if name != service})


def scrolled(view: View, lines: int, most: int) -> View:
    """The view with its pane scrolled back by so many lines, of at most `most`."""
    if view.pane is None:
        return view
    return replace(view, pane=replace(view.pane, scroll=max(0, min(most, view.pane.scroll + lines))))


# Private


def _items(view: View, snapshot: Snapshot) -> Iterator[Item]:
    for service in snapshot.services:
        backends = arranged(view, service)
        for backend in backends:
            yield Item(service.service, backend.id, backend.number)
        if not backends and (not view.filter or not service.backends):
            yield Item(service.service)


def _matches(text: str, backend: BackendView) -> bool:
    words = (backend.name, backend.address, backend.phase, backend.node, f"#{backend.number}")
    return any(text.casefold() in word.casefold() for word in words)


_SORTS: dict[str, Callable[[BackendView], float]] = {
    "requests": lambda backend: backend.requests or backend.connections_total,
    "in flight": lambda backend: backend.in_flight or backend.connections,
    "per second": lambda backend: backend.requests_per_second or backend.bytes_sent_per_second,
    "errors": lambda backend: backend.failed + backend.responses.get("5xx", 0),
    "p95 ms": lambda backend: backend.p95_ms or 0.0,
}
SORTS = ("number", *_SORTS)


def _press(view: View, snapshot: Snapshot, key: str, now: float) -> Pressed:
    if view.is_typing:
        return _type(view, key), None
    if view.has_help:
        return replace(view, has_help=False), None
    if key == ESCAPE:
        return _back(view)
    if key in _VIEWING:
        return _VIEWING[key](view, snapshot), None
    if key == "q":
        return _quit(view, now)
    item = chosen(view, snapshot)
    service = next((service for service in snapshot.services if item and service.service == item.service), None)
    if key not in _ACTING or item is None or service is None:
        return view, None
    return _ACTING[key](view, service, item, now)


def _type(view: View, key: str) -> View:
    if key == ENTER:
        return replace(view, is_typing=False)
    if key == ESCAPE:
        return replace(view, is_typing=False, filter="")
    if key == BACKSPACE:
        return replace(view, filter=view.filter[:-1])
    if key == CLEAR:
        return replace(view, filter="")
    if len(key) == 1:
        return replace(view, filter=(view.filter + key)[:_LONGEST_FILTER])
    return view


def _move(view: View, snapshot: Snapshot, step: Callable[[int, int], int]) -> View:
    found, item = items(view, snapshot), chosen(view, snapshot)
    if item is None:
        return view
    return replace(view, selected=found[max(0, min(step(found.index(item), len(found)), len(found) - 1))])


def _back(view: View) -> Pressed:
    if view.pane:
        return _hide_logs(view)
    return replace(view, filter="", message=None), None


def _next_sort(view: View, _: Snapshot) -> View:
    return replace(view, sort=SORTS[(SORTS.index(view.sort) + 1) % len(SORTS)], message=None)


def _scroll(lines: int) -> Callable[[View, Snapshot], View]:
    return lambda view, _: scrolled(view, lines, 10**6)


_VIEWING: dict[str, Callable[[View, Snapshot], View]] = {
    UP: lambda view, snapshot: _move(view, snapshot, lambda at, _: at - 1),
    DOWN: lambda view, snapshot: _move(view, snapshot, lambda at, _: at + 1),
    HOME: lambda view, snapshot: _move(view, snapshot, lambda *_: 0),
    END: lambda view, snapshot: _move(view, snapshot, lambda _, count: count),
    PAGE_UP: _scroll(_PAGE),
    PAGE_DOWN: _scroll(-_PAGE),
    "s": _next_sort,
    "/": lambda view, _: replace(view, is_typing=True, filter=""),
    "?": lambda view, _: replace(view, has_help=True),
}


def _asked(view: View, key: str, text: str, command: Command, now: float) -> Pressed:
    question = Question(key, f"{text}? press {key} again", command, now + _QUESTION_SECONDS)
    return replace(view, question=question, message=None), None


def _carried_out(view: View, command: Command) -> Pressed:
    if command.kind == "scale":
        view = replace(view, targets={**view.targets, command.service: command.number or 0})
    return view, command


def _quit(view: View, now: float) -> Pressed:
    command = Command("quit")
    return _asked(view, "q", "stop composectl and the replicas", command, now) if view.ends else (view, command)


def _desired(view: View, service: ServiceView) -> int:
    return view.targets.get(service.service, service.desired)


def _add(view: View, service: ServiceView, _: Item, now: float) -> Pressed:
    count = _desired(view, service) + 1
    view = told(view, f"scaling {service.service} to {count}", now)
    return _carried_out(view, Command("scale", service.service, count))


def _remove(view: View, service: ServiceView, _: Item, now: float) -> Pressed:
    count = _desired(view, service) - 1
    if count < 0:
        return told(view, f"{service.service} has no replica", now), None
    return _asked(view, "-", f"scale {service.service} to {count}", Command("scale", service.service, count), now)


def _drain(view: View, service: ServiceView, item: Item, now: float) -> Pressed:
    backend = next((backend for backend in service.backends if backend.id == item.id), None)
    if backend is None:
        return told(view, f"{service.service} has no replica", now), None
    if backend.phase in _LEAVING:
        return told(view, f"{backend.name} is {backend.phase}", now), None
    if backend.phase == _IN_MAINTENANCE:
        return view, Command("undrain", service.service, backend.number)
    return _asked(view, "d", f"drain {backend.name}", Command("drain", service.service, backend.number), now)


def _roll_out(view: View, service: ServiceView, _: Item, now: float) -> Pressed:
    return _asked(view, "r", f"roll out {service.service}", Command("rollout", service.service), now)


def _show_logs(view: View, service: ServiceView, item: Item, _: float) -> Pressed:
    backend = next((backend for backend in service.backends if backend.id == item.id), None)
    if backend is None:
        return _toggle(view, service, None, service.service)
    return _toggle(view, service, backend.number, backend.name)


def _show_all_logs(view: View, service: ServiceView, _: Item, __: float) -> Pressed:
    return _toggle(view, service, None, service.service)


def _toggle(view: View, service: ServiceView, number: int | None, title: str) -> Pressed:
    if view.pane and (view.pane.service, view.pane.number) == (service.service, number):
        return _hide_logs(view)
    pane = Pane(service.service, number, title, view.panes + 1)
    return replace(view, pane=pane, panes=pane.serial), Command("logs", service.service, number, pane.serial)


def _hide_logs(view: View) -> Pressed:
    return replace(view, pane=None), Command("hide logs")


_ACTING: dict[str, Callable[[View, ServiceView, Item, float], Pressed]] = {
    "+": _add,
    "-": _remove,
    "d": _drain,
    "r": _roll_out,
    "l": _show_logs,
    "L": _show_all_logs,
}
