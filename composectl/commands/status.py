"""`composectl status`: what running composectls know, once or for as long as they run."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from composectl import errors
from composectl.compose.options import Invocation
from composectl.config.completion import completed

if TYPE_CHECKING:
    from composectl.balance.snapshot import Snapshot
    from composectl.control.client import Client

_POLL_INTERVAL = 0.5
_LONGEST_POLL_INTERVAL = 2.0
_CPU_SHARE = 0.02  # of the time, at most, for answers: the composectl that is asked has requests to serve


@click.command()
@click.argument("services", nargs=-1, metavar="[SERVICE...]", shell_complete=completed("balanced"))
@click.option("-w", "--watch", "watched", is_flag=True, help="Show the live table until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON with stable keys; with --watch, one object a line.")
@click.option("-a", "--all", "every", is_flag=True, help="Show every project and proxy of this user.")
@click.pass_obj
def status(invocation: Invocation, services: Sequence[str], watched: bool, as_json: bool, every: bool) -> int:
    """Show the backends of each service.

    The exit code is 0 if every service has a ready replica or sleeps, and 3 if one does not. It is 1 if no composectl
    runs, and 130 after Ctrl-C. Without a terminal, --watch prints the replicas that are ready, then each change.

    \b
    composectl status
    composectl status echo --json
    composectl status --watch
    composectl status --all --json --watch
    composectl status echo >/dev/null && curl http://localhost:9090/
    """
    from composectl.control.client import find_daemon

    if every and services:
        raise errors.UsageError("`--all` cannot be combined with SERVICE", "omit one of the two")
    if watched:
        return watch_status(invocation, services, every=every, as_json=as_json)
    found = status_of_all(invocation) if every else _status_of(find_daemon(invocation).status(), services)
    if as_json:
        sys.stdout.write(json.dumps(found.json, indent=2) + "\n")
    else:
        from composectl.screen.live import print_table

        print_table(found.table)
    return exit_code(found)


@dataclass(frozen=True, slots=True)
class Status:
    """What running composectls know at a moment: for machines, and for the table."""

    json: Mapping[str, Any]
    table: Snapshot


def select(snapshot: Snapshot, services: Collection[str]) -> Snapshot:
    """The same with these services alone, where any are named. Raises `not_balanced`."""
    known = {service.service: service for service in snapshot.services}
    for name in services:
        if name not in known:
            raise errors.not_balanced(name, known)
    return replace(snapshot, services=tuple(known[name] for name in services or known))


def status_of_project(snapshot: Snapshot) -> Status:
    """The status of one composectl."""
    return Status(snapshot.as_json(), snapshot)


def status_of_projects(snapshots: Sequence[Snapshot]) -> Status:
    """The status of several: each as it is alone, and one table in which a service is called `project/service`."""
    from composectl.balance.snapshot import VERSION, Snapshot

    services = tuple(
        replace(service, service=f"{snapshot.project}/{service.service}")
        for snapshot in snapshots
        for service in snapshot.services
    )
    stale = min((snapshot.stale_since for snapshot in snapshots if snapshot.stale_since), default=None)
    each = [snapshot.as_json() for snapshot in snapshots]
    others = tuple(other for snapshot in snapshots for other in snapshot.others)
    return Status({"version": VERSION, "projects": each}, Snapshot(VERSION, "", services, stale, others=others))


def exit_code(status: Status) -> int:
    """Whether every service has a backend that is ready, or sleeps, for a shell."""
    from composectl.balance.phase import Phase

    services = status.table.services
    well = [service.asleep or any(each.phase == Phase.READY for each in service.backends) for service in services]
    return 0 if all(well) else 3


def status_of_all(invocation: Invocation) -> Status:
    """The status of every composectl of this user. Raises NothingRuns where there is none."""
    from composectl.balance.snapshot import Snapshot
    from composectl.control.client import running_daemons
    from composectl.control.paths import runtime_dir

    snapshots = []
    for client in running_daemons(runtime_dir(invocation.environ)):
        with suppress(errors.HasEnded):
            snapshots.append(Snapshot.from_json(client.status()))
    if not snapshots:
        raise errors.NothingRuns(
            "this user runs no composectl",
            "start one: `composectl up --balance SERVICE=N` beside a compose file, or `composectl proxy`",
        )
    return status_of_projects(snapshots)


class PollingWatcher:
    """Asks for the status again and again, at pauses that keep its share of the time small."""

    def __init__(self, look: Callable[[], Status]) -> None:
        self._look = look
        self.again()

    def again(self) -> None:
        began = time.perf_counter()
        self.newest = self._look()
        self.pause = min(max(_POLL_INTERVAL, (time.perf_counter() - began) / _CPU_SHARE), _LONGEST_POLL_INTERVAL)

    def close(self) -> None:
        """Nothing is open between two answers."""


class EventWatcher:
    """Follows the events of one composectl, of these services or of all; that costs it less than to be asked."""

    pause = 0.0  # the sender sets the pace

    def __init__(self, client: Client, services: Collection[str]) -> None:
        self._events = client.watch()
        self._services = services
        self.again()

    def again(self) -> None:
        self.newest: Status = _status_of(self._events.next(), self._services)

    def close(self) -> None:
        self._events.close()


def watch_status(
    invocation: Invocation,
    services: Collection[str],
    *,
    every: bool = False,
    as_json: bool = False,
    with_keys: bool = False,
) -> int:
    """Print the status of these services, or of all, whenever it changes; the exit code. Raises ComposectlError."""
    from composectl.control.client import find_daemon
    from composectl.control.table_controls import TableControls
    from composectl.screen.follow import watch, watch_as_json

    show = watch_as_json if as_json else watch
    try:
        if every:
            return show(PollingWatcher(partial(status_of_all, invocation)))
        client = find_daemon(invocation)
        watcher = EventWatcher(client, services)
        return watch(watcher, TableControls(client.path, client.info.pid)) if with_keys else show(watcher)
    except errors.HasEnded as ended:
        raise errors.ComposectlError(
            f"composectl (process {ended.pid}) has ended",
            "`composectl logs --balancer` shows why, if it ran in the background",
        ) from None


# Private


def _status_of(payload: Mapping[str, Any], services: Collection[str]) -> Status:
    from composectl.balance.snapshot import Snapshot

    return status_of_project(select(Snapshot.from_json(payload), services))
