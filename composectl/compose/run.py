"""Running Compose: the only subprocesses of composectl."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import subprocess
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from composectl import errors
from composectl.compose.argv import config_argv, yaml_config_argv
from composectl.compose.complaint import hint_for, one_line
from composectl.compose.options import Options
from composectl.compose.stdin import give_back, standard_input
from composectl.compose.version import Compose

_STDERR = 2

_GRACE = 10.0  # seconds from SIGINT to SIGKILL


def ask(commands: Sequence[Sequence[str]], environ: Mapping[str, str], seconds: float) -> list[str]:
    """What each of `commands` prints, all asked at once; empty where it fails or takes longer than `seconds`."""
    with ThreadPoolExecutor(len(commands)) as threads:
        return list(threads.map(lambda command: _answer(command, environ, seconds), commands))


async def render_config(
    compose: Compose, options: Options, environ: Mapping[str, str], cwd: Path, *, quiet: bool = False
) -> str:
    """The project as `config` prints it; its warnings go to our stderr, unless we are `quiet`.

    Raises `compose_failed` with the error as Compose words it, and its exit code.
    """
    printed, warnings = await _render(compose, config_argv(compose, options), options, environ, cwd)
    if not quiet:
        sys.stderr.write(warnings)
    return printed


async def render_twice(
    compose: Compose, options: Options, environ: Mapping[str, str], cwd: Path
) -> tuple[str, str, str]:
    """The project as `config` prints it, the same in YAML, and what it warns of; both at the same time.

    Raises `compose_failed`.
    """
    argvs = dict.fromkeys((config_argv(compose, options), yaml_config_argv(compose, options)))
    rendered = await asyncio.gather(*(_render(compose, argv, options, environ, cwd) for argv in argvs))
    return rendered[0][0], rendered[-1][0], rendered[0][1]


async def run_compose(
    argv: Sequence[str], environ: Mapping[str, str], stdin: bytes | None, cwd: Path, grace: float = _GRACE
) -> int:
    """Run Compose to its end, all that it says on our stderr; the result is its exit code.

    It does not feel the terminal's Ctrl-C. Cancelled, we interrupt it, and kill it after `grace` seconds.
    """
    process = await _start(argv, environ, cwd, stdin=DEVNULL if stdin is None else PIPE, stdout=_STDERR)
    await _finish(process, stdin, grace)
    return _exit_code(process)


async def run_quietly(argv: Sequence[str], environ: Mapping[str, str], stdin: bytes, cwd: Path) -> None:
    """Run Compose to its end, and show nothing of it.

    Raises `compose_failed` with the error as Compose words it, and its exit code.
    """
    process = await _start(argv, environ, cwd, stdin=PIPE, stdout=DEVNULL, stderr=PIPE)
    _, complaints = await _finish(process, stdin)
    if process.returncode:
        raise errors.compose_failed(argv[0], _exit_code(process), one_line(complaints.decode(errors="replace")))


def exec_compose(argv: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    """Become Compose; a compose file on stdin that we have read is there again."""
    give_back()
    try:
        os.execvpe(argv[0], list(argv), dict(environ))
    except OSError as error:
        raise _cannot_run(argv, error) from error


# Private


def _answer(command: Sequence[str], environ: Mapping[str, str], seconds: float) -> str:
    try:
        done = subprocess.run(command, stdin=DEVNULL, capture_output=True, env=environ, timeout=seconds, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode(errors="replace")


async def _render(
    compose: Compose, argv: Sequence[str], options: Options, environ: Mapping[str, str], cwd: Path
) -> tuple[str, str]:
    """What is printed, and what is warned of."""
    given = standard_input() if "-" in options.files else None
    stdin = DEVNULL if given is None else PIPE
    process = await _start(argv, environ, cwd, stdin=stdin, stdout=PIPE, stderr=PIPE)
    printed, complaints = (output.decode(errors="replace") for output in await _finish(process, given))
    if process.returncode:
        words = one_line(complaints)
        raise errors.compose_failed(f"{compose} config", _exit_code(process), words, hint_for(words))
    return printed, complaints


async def _start(argv: Sequence[str], environ: Mapping[str, str], cwd: Path, **streams: Any) -> Process:
    try:
        return await asyncio.create_subprocess_exec(*argv, env=environ, cwd=cwd, start_new_session=True, **streams)
    except OSError as error:
        raise _cannot_run(argv, error) from error


async def _finish(process: Process, stdin: bytes | None = None, grace: float = _GRACE) -> tuple[bytes, bytes]:
    """Feed it and wait for its end; it does not outlive us."""
    try:
        return await process.communicate(stdin)
    finally:
        if process.returncode is None:
            await _end(process, grace)


async def _end(process: Process, grace: float) -> None:
    try:
        _signal(process, signal.SIGINT)
        await asyncio.wait_for(process.wait(), grace)
    except TimeoutError:
        pass
    finally:
        _signal(process, signal.SIGKILL)
        await process.wait()


def _signal(process: Process, number: signal.Signals) -> None:
    """To its whole session: `docker compose` is two processes."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _exit_code(process: Process) -> int:
    """As a shell tells it: 128 and the signal's number for one that was killed."""
    code = process.returncode or 0
    return code if code >= 0 else 128 - code


def _cannot_run(argv: Sequence[str], error: OSError) -> errors.ComposectlError:
    return errors.compose_failed(shlex.join(argv), 126, f"`{argv[0]}` cannot be run: {error.strerror}")
