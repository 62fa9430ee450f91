"""Away from a terminal: the present state, then a line for each change, in the order in which they happened."""

from __future__ import annotations

from itertools import pairwise

import pytest

from composectl.balance.snapshot import ChangeView, ServiceView, Snapshot, iso
from composectl.balance.waiting import Waiting
from composectl.commands.status import Status, status_of_project
from composectl.screen.follow import watch
from tests.support.snapshots import NOW, backend, change, service, snapshot

STEPS = ("ready", "draining", "drained", "gone")


class Recording:
    """A watcher of these statuses, one after the other; then comes Ctrl-C."""

    pause = 0.0

    def __init__(self, *snapshots: Snapshot) -> None:
        self._statuses = iter(map(status_of_project, snapshots))
        self.newest: Status = next(self._statuses)

    def again(self) -> None:
        newest = next(self._statuses, None)
        if newest is None:
            raise KeyboardInterrupt
        self.newest = newest

    def close(self) -> None:
        pass


def leaving(name: str, at: float = NOW) -> tuple[ChangeView, ...]:
    """The changes of a replica that leaves, all in one millisecond."""
    return tuple(ChangeView(iso(at), 1, name, before, after, "") for before, after in pairwise(STEPS))


def printed(capsys: pytest.CaptureFixture[str], *seen: tuple[ServiceView, ...]) -> list[str]:
    assert watch(Recording(*(snapshot(*services) for services in seen))) == 130
    return capsys.readouterr().out.splitlines()


def test_the_present_state_comes_first_without_earlier_changes(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, (service(backends=(backend(1), backend(2, phase="draining"))),))
    assert lines == ["echo: 1 of 10 ready"]


def test_what_is_not_ready_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    waiting = Waiting("echo", 1, "0" * 12, "echo-1", "port 80", "Connection refused", last_lines=("warming up",))
    lines = printed(capsys, (service(backends=(), waiting=(waiting,)),))
    assert lines == ["echo: 0 of 10 ready", "echo-1: port 80: Connection refused"]


def test_changes_of_one_moment_keep_their_order(capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"echo-{number}" for number in range(9)]
    changes = tuple(change for name in names for change in leaving(name))
    _, *lines = printed(capsys, (service(changes=()),), (service(changes=changes),))
    assert [line.split()[1:] for line in lines] == [
        [change.name, change.before, "->", change.after] for change in changes
    ]


def test_a_clock_that_was_set_back_does_not_change_the_order(capsys: pytest.CaptureFixture[str]) -> None:
    changes = (*leaving("echo-2"), *leaving("echo-1", NOW - 3600))
    _, *lines = printed(capsys, (service(changes=()),), (service(changes=changes),))
    assert [line.split()[1] for line in lines] == ["echo-2"] * 3 + ["echo-1"] * 3


def test_the_changes_of_several_services_are_merged_by_time(capsys: pytest.CaptureFixture[str]) -> None:
    both = service(changes=leaving("echo-1", NOW + 2)), service(service="web", changes=leaving("web-1", NOW + 1))
    before = service(changes=()), service(service="web", changes=())
    lines = printed(capsys, before, both, both)
    assert lines[:2] == ["echo: 10 of 10 ready", "web: 10 of 10 ready"]
    assert [line.split()[1] for line in lines[2:]] == ["web-1"] * 3 + ["echo-1"] * 3


def test_a_change_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (change(1),), (change(1), change(2))
    _, line = printed(capsys, *((service(changes=changes),) for changes in (first, second, second)))
    assert "echo-echo-2 starting -> ready" in line
