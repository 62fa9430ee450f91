"""`composectl systemd-unit`: the unit that runs `up` for the project of this directory, on stdout."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from composectl import errors
from composectl.commands.access_logging import log_wish
from composectl.commands.invocation import Invocation
from composectl.commands.prepare import check_apart, ports_of
from composectl.commands.unit import Unit
from composectl.commands.wishing import wished
from composectl.compose.name import project_name

_OURS = ("COMPOSE_", "COMPOSECTL_", "DOCKER_")
_SECRET = frozenset(("DOCKER_AUTH_CONFIG",))


def systemd_unit(
    invocation: Invocation, typed: Mapping[str, Any], arguments: Sequence[str], words: Sequence[str]
) -> int:
    """Print it for `up` with these options and arguments, which are `words` as they were typed.

    Raises ComposectlError for whatever `up` would refuse.
    """
    if typed["detach"]:
        raise errors.in_the_foreground()
    if "-" in invocation.options.files:
        raise errors.not_in_a_unit("a compose file on stdin")
    log_wish(typed, invocation.cwd)
    asked = wished(invocation, typed, arguments)
    if asked is None or not (typed["balance"] or asked[1].project.declared):
        raise errors.nothing_for_a_unit()
    wish, reading = asked
    check_apart({name: ports_of(reading.project, name, one) for name, one in wish.services.items()})
    up = (*_before(invocation), "up", *words)
    unit = Unit(
        project=project_name(reading.project, invocation.options, reading.means.environ, invocation.cwd),
        directory=invocation.cwd,
        argv=(*_program(), *up),
        environment=_kept(invocation.environ),
        drain=max(one.balancing.drain for one in wish.services.values()),
        typed=("composectl", *_before(invocation), "systemd-unit", *words),
    )
    sys.stdout.write(unit.text())
    return 0


# Private


def _program() -> tuple[str, ...]:
    """Ourselves, wherever it is run."""
    script = Path(sys.argv[0]).absolute()
    if script.name == "composectl" and os.access(script, os.X_OK):
        return (str(script),)
    return (sys.executable, "-P", "-m", "composectl")


def _before(invocation: Invocation) -> tuple[str, ...]:
    """The global options, by absolute paths."""
    host = ("--host", invocation.host) if invocation.host else ()
    context = ("--context", invocation.context) if invocation.context else ()
    return (*invocation.options.absolute(invocation.cwd).argv(), *host, *context)


def _kept(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables by which Compose, the engine and we are set, and where Compose is found."""
    ours = {name for name in environ if name.startswith(_OURS)} - _SECRET
    return {name: environ[name] for name in sorted(ours | ({"PATH"} & environ.keys()))}
