"""`composectl logs`: Compose's own, or with `--balancer` the log of the composectl in the background."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import click

from composectl import errors
from composectl.commands.passthrough import ARGUMENTS, PASSED_ON, pass_through
from composectl.compose.options import Invocation
from composectl.sanitize import sanitize

_POLL_INTERVAL = 0.25


@click.command(context_settings=PASSED_ON)
@click.option("--balancer", is_flag=True, help="Show the log of composectl in the background.")
@ARGUMENTS
@click.pass_obj
def logs(invocation: Invocation, balancer: bool, arguments: Sequence[str]) -> int:
    """Show the logs of the replicas, or with --balancer that of composectl.

    Without --balancer, this is Compose's own `logs`. With it, the log of the background process is shown, even after
    its end, and -f follows it.

    \b
    composectl logs -f echo
    composectl logs --balancer
    composectl logs --balancer -f
    """
    if not balancer:
        return pass_through(invocation, ("logs", *arguments))
    from composectl.control.client import requested_project
    from composectl.control.paths import file_stem_of_log, newest_log, rotated_log, runtime_dir, state_dir

    for word in arguments:
        if word not in ("-f", "--follow"):
            raise errors.UsageError(f"`{word}` cannot be combined with `--balancer`", "use `-f`, or omit `--balancer`")
    name, directory = requested_project(invocation)
    log = newest_log(state_dir(), name.lower(), str(directory or ""))
    if log is None:
        of = f" of project `{name}`" if name else ""
        raise errors.ComposectlError(
            f"no log{of}: composectl has not run in the background",
            "`composectl up --balance SERVICE=N -d` keeps a log",
        )
    if rotated_log(log).exists():
        _print(rotated_log(log).open("rb"))
    if not arguments:
        _print(log.open("rb"))
    else:
        _follow(log, runtime_dir(invocation.environ) / f"{file_stem_of_log(log)}.sock")
    return 0


# Private


def _print(log: IO[bytes]) -> None:
    with log:
        _print_rest(log)


def _follow(log: Path, control: Path) -> None:
    """Go on for as long as the control socket is there, and once more; a log that is rotated is read to its end."""
    opened, is_running = log.open("rb"), True
    while is_running:
        is_running = control.exists()
        _print_rest(opened)
        with suppress(FileNotFoundError):
            if not os.path.samestat(os.fstat(opened.fileno()), log.stat()):
                newer = log.open("rb")
                _print(opened)
                opened = newer
        time.sleep(_POLL_INTERVAL)
    _print(opened)


def _print_rest(log: IO[bytes]) -> None:
    for line in log:
        text = line.decode(errors="replace").removesuffix("\n")
        sys.stdout.write(sanitize(text) + "\n" * line.endswith(b"\n"))
    sys.stdout.flush()
