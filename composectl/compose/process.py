"""Running Compose: the only subprocesses of composectl."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from composectl import errors
from composectl.compose.argv import config_argv
from composectl.compose.binary import Compose
from composectl.compose.options import Options
from composectl.sanitize import sanitize_lines

_STDERR = 2
GRACE = 10.0  # seconds from SIGINT to SIGKILL
_STDIN = 0
_WARNING = re.compile(r"time=.* level=(warning|info)|WARN|The \S+ variable is not set\. ")
# ` Container shop-echo-1  Started` is v2's, `Creating shop_echo_1 ... done` docker-compose 1.29's.
_PROGRESS = re.compile(r" \S|[A-Z]\S+ing (and removing )?\S+ +\.\.\.")
_HINTS = {
    r"(?i)^validating .*: +(\(root\) )?additional propert": (
        "the 2016 file format is read by docker-compose 1.29 only: put the services under a `services:` key"
    ),
    r"'name' does not match any of the regexes": (
        "docker-compose 1.29 knows no top-level `name:`: take it out and give it with `-p`, or use Compose v2"
    ),
    r"Unsupported config option for .*'x-": (
        'docker-compose 1 takes `x-` keys of a service under `services:` only, from `version: "3.7"` or "2.4" on'
    ),
    r"(?i)no configuration file provided|suitable configuration file": "`-f` names the compose file",
}
_OTHER_HINT = "`composectl config` shows all that Compose says of it"


async def render_config(
    compose: Compose, options: Options, environ: Mapping[str, str], cwd: Path, *, with_yaml: bool = False
) -> tuple[str, str, str]:
    """The project as `config` prints it, the same in YAML if `with_yaml`, and its warnings. Raises `compose_failed`."""
    content = read_stdin() if "-" in options.files else None

    async def render(argv: Sequence[str]) -> tuple[str, str]:
        stdin = DEVNULL if content is None else PIPE
        process = await _start(argv, environ, cwd, stdin=stdin, stdout=PIPE, stderr=PIPE)
        printed, warnings = (output.decode(errors="replace") for output in await _finish(process, content))
        warnings = sanitize_lines(warnings)  # they quote what the files say
        if process.returncode:
            words = error_line(warnings)
            raise errors.compose_failed(f"{compose} config", _exit_code(process), words, hint_for(words))
        return printed, warnings

    argvs = dict.fromkeys((config_argv(compose, options), config_argv(compose, options, in_yaml=with_yaml)))
    rendered = await asyncio.gather(*map(render, argvs))
    return rendered[0][0], rendered[-1][0], rendered[0][1]


async def run_compose(
    argv: Sequence[str], environ: Mapping[str, str], stdin: bytes | None, cwd: Path, grace: float = GRACE
) -> int:
    """Run Compose to its end, with all its output on stderr; the result is its exit code.

    The terminal's Ctrl-C does not reach it. Cancelled, it is interrupted, and killed after `grace` seconds.
    """
    process = await _start(argv, environ, cwd, stdin=DEVNULL if stdin is None else PIPE, stdout=_STDERR)
    await _finish(process, stdin, grace)
    return _exit_code(process)


async def run_quietly(argv: Sequence[str], environ: Mapping[str, str], stdin: bytes, cwd: Path) -> None:
    """Run Compose to its end, and show nothing of it. Raises `compose_failed` in Compose's own words."""
    process = await _start(argv, environ, cwd, stdin=PIPE, stdout=DEVNULL, stderr=PIPE)
    _, complaints = await _finish(process, stdin)
    if process.returncode:
        raise errors.compose_failed(argv[0], _exit_code(process), error_line(complaints.decode(errors="replace")))


def exec_compose(argv: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    """Become Compose; a compose file that was read from stdin is there again."""
    if read_stdin.cache_info().currsize:
        with tempfile.TemporaryFile() as copy:
            copy.write(read_stdin())
            copy.seek(0)
            os.dup2(copy.fileno(), _STDIN)
    try:
        os.execvpe(argv[0], list(argv), dict(environ))
    except OSError as error:
        raise _cannot_run(argv, error) from error


def held_file(content: bytes) -> str:
    """The path of a file in memory, where there is such a thing, for this process and for what it becomes."""
    descriptor = os.memfd_create("compose.yaml") if sys.platform == "linux" else _anonymous_file()
    os.set_inheritable(descriptor, True)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return f"/dev/fd/{descriptor}"


@cache
def read_stdin() -> bytes:
    """All of standard input, which is read once."""
    return sys.stdin.buffer.read()


def error_line(stderr: str) -> str:
    """The error in what Compose wrote to stderr, without warnings, progress, advice and traceback; "" where none is."""
    lines = [line.strip() for line in stderr.splitlines() if not _WARNING.match(line) and not _PROGRESS.match(line)]
    if "Traceback (most recent call last):" in lines:
        lines = [line for line in lines if line][-1:]
    first_paragraph = "\n".join(lines).strip().partition("\n\n")[0]
    return " ".join(first_paragraph.split()).lstrip(".").removeprefix("ERROR: ")


def hint_for(words: str) -> str:
    """What to do about it."""
    return next((hint for pattern, hint in _HINTS.items() if re.search(pattern, words)), _OTHER_HINT)


# Private


def _anonymous_file() -> int:
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


async def _start(argv: Sequence[str], environ: Mapping[str, str], cwd: Path, **streams: Any) -> Process:
    try:
        return await asyncio.create_subprocess_exec(*argv, env=environ, cwd=cwd, start_new_session=True, **streams)
    except OSError as error:
        raise _cannot_run(argv, error) from error


async def _finish(process: Process, stdin: bytes | None = None, grace: float = GRACE) -> tuple[bytes, bytes]:
    """Feed it and wait for its end; it does not outlive the caller."""
    try:
        return await process.communicate(stdin)
    finally:
        if process.returncode is None:
            try:
                _signal(process, signal.SIGINT)
                with suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), grace)
            finally:
                _signal(process, signal.SIGKILL)
                await process.wait()


def _signal(process: Process, number: signal.Signals) -> None:
    """To its whole session: `docker compose` is two processes."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _exit_code(process: Process) -> int:
    """As in a shell: 128 plus the signal's number for a process that was killed."""
    code = process.returncode or 0
    return code if code >= 0 else 128 - code


def _cannot_run(argv: Sequence[str], error: OSError) -> errors.ComposectlError:
    return errors.compose_failed(shlex.join(argv), 126, f"`{argv[0]}` cannot be run: {error.strerror}")
