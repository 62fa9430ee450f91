"""`composectl status` and `attach`: what running composectls know, once or for as long as they go on."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection
from functools import partial

from composectl import errors
from composectl.commands.invocation import Invocation
from composectl.commands.locating import find_running
from composectl.commands.looking import Asking, Follower, Listening, at_all, at_one
from composectl.commands.pictures import Picture, exit_code
from composectl.commands.telling import say


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
    say("composectl goes on: `composectl down` ends it")
    return 0


# Private


def _follower(invocation: Invocation, services: Collection[str], *, every: bool) -> Follower:
    return Asking(at_all(invocation)) if every else Listening(find_running(invocation), services)


def _watch(follow: Callable[[], Follower], *, as_json: bool) -> int:
    from composectl.commands.watching import watch, watch_as_json

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
