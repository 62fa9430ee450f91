"""`composectl status` and `attach`: what running composectls know, once or for as long as they go on."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from composectl import errors
from composectl.balance.phase import Phase
from composectl.balance.snapshot import VERSION, ServiceView, Snapshot
from composectl.compose.options import Invocation
from composectl.control.client import Client, find_running, running
from composectl.control.paths import runtime_folder
from composectl.screen.console import info

SERVING, NOBODY_READY = 0, 3
"""Exit codes of `status`; that nothing runs is an error, whose exit code is 1."""
_PAUSE = 0.5
_LONGEST_PAUSE = 2.0
_SHARE = 0.02  # of the time, at most, for answering us: whoever is looked at has requests to serve


def status(invocation: Invocation, services: Collection[str], *, every: bool, watched: bool, as_json: bool) -> int:
    """Show the project's composectl, some services of it, or `every` one of this user; the exit code.

    Raises ComposectlError.
    """
    if every and services:
        raise errors.all_or_some()
    if watched:
        return _watch(partial(_follower, invocation, services, every=every), as_json=as_json)
    look = at_all(invocation) if every else at_one(invocation, services)
    return _show(look(), as_json=as_json)


def attach(invocation: Invocation) -> int:
    """Show the live table until Ctrl-C, which leaves the composectl that is shown alone. Raises ComposectlError."""
    _watch(partial(_follower, invocation, (), every=False), as_json=False)
    info("composectl goes on: `composectl down` ends it")
    return 0


@dataclass(frozen=True, slots=True)
class One:
    """The picture of one running composectl."""

    snapshot: Snapshot

    def as_json(self) -> dict[str, Any]:
        """The snapshot's own."""
        return self.snapshot.as_json()

    def table(self) -> Snapshot:
        """What the table shows."""
        return self.snapshot


@dataclass(frozen=True, slots=True)
class All:
    """The pictures of several, in one."""

    snapshots: Sequence[Snapshot]

    def as_json(self) -> dict[str, Any]:
        """Each as it is alone."""
        return {"version": VERSION, "projects": [snapshot.as_json() for snapshot in self.snapshots]}

    def table(self) -> Snapshot:
        """A single one, in which a service is called `project/service`."""
        services = tuple(_called(snapshot, service) for snapshot in self.snapshots for service in snapshot.services)
        stale = min((one.stale_since for one in self.snapshots if one.stale_since), default=None)
        return Snapshot(VERSION, "", services, stale)


Picture = One | All
Look = Callable[[], Picture]
"""Raises NothingRuns where there is nothing to be seen, HasEnded where it was there before."""


def only(snapshot: Snapshot, services: Collection[str]) -> Snapshot:
    """The same with these services alone, where any are named. Raises `not_balanced`."""
    known = {one.service: one for one in snapshot.services}
    for name in services:
        if name not in known:
            raise errors.not_balanced(name, known)
    return replace(snapshot, services=tuple(known[name] for name in services or known))


def exit_code(picture: Picture) -> int:
    """Whether every service has a backend that is ready, for a shell."""
    return SERVING if all(map(_is_serving, picture.table().services)) else NOBODY_READY


def at_one(invocation: Invocation, services: Collection[str]) -> Look:
    """At these services, or at all, of the composectl that is meant. Raises ComposectlError."""
    client = find_running(invocation)
    return lambda: One(only(Snapshot.from_json(client.status()), services))


def at_all(invocation: Invocation) -> Look:
    """At every composectl of this user, those included that come later."""
    folder = runtime_folder(invocation.environ)

    def look() -> Picture:
        snapshots = []
        for client in running(folder):
            with suppress(errors.HasEnded):
                snapshots.append(Snapshot.from_json(client.status()))
        if not snapshots:
            raise errors.nobody_runs()
        return All(snapshots)

    return look


class Follower(Protocol):
    """Has the `newest` picture; `again` is to be called after every `pause` of seconds."""

    newest: Picture
    pause: float

    def again(self) -> None:
        """Have a newer one. Raises HasEnded or NothingRuns where there is none to come."""

    def close(self) -> None:
        """Have no more; whoever is in `again` leaves it with HasEnded."""


class Asking:
    """Looks again and again."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self.again()

    def again(self) -> None:
        """Look."""
        began = time.perf_counter()
        self.newest = self._look()
        took = time.perf_counter() - began
        self.pause = min(max(_PAUSE, took / _SHARE), _LONGEST_PAUSE)

    def close(self) -> None:
        """There is nothing to be closed."""


class Listening:
    """Is told of these services, or of all, of one composectl, which costs that less than to be asked."""

    pause = 0.0  # it is for who tells

    def __init__(self, client: Client, services: Collection[str]) -> None:
        self._telling = client.telling()
        self._services = services
        self.again()

    def again(self) -> None:
        """Wait for what is told next."""
        self.newest: Picture = One(only(Snapshot.from_json(self._telling.next()), self._services))

    def close(self) -> None:
        """Hear no more."""
        self._telling.close()


# Private


def _follower(invocation: Invocation, services: Collection[str], *, every: bool) -> Follower:
    return Asking(at_all(invocation)) if every else Listening(find_running(invocation), services)


def _watch(follow: Callable[[], Follower], *, as_json: bool) -> int:
    from composectl.screen.follow import watch, watch_as_json

    try:
        return watch_as_json(follow()) if as_json else watch(follow())
    except errors.HasEnded as ended:
        raise errors.watched_has_ended(ended.pid) from None


def _show(picture: Picture, *, as_json: bool) -> int:
    if as_json:
        sys.stdout.write(json.dumps(picture.as_json(), indent=2) + "\n")
    else:
        from composectl.screen.live import print_table

        print_table(picture.table())
    return exit_code(picture)


def _called(snapshot: Snapshot, service: ServiceView) -> ServiceView:
    return replace(service, service=f"{snapshot.project}/{service.service}")


def _is_serving(service: ServiceView) -> bool:
    return any(backend.phase == Phase.READY for backend in service.backends)
