"""Running Compose, played by programs that do one thing it does."""

import asyncio
import os
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from composectl.compose.binary import Compose, ask
from composectl.compose.options import Options
from composectl.compose.process import render_config, run_compose
from composectl.errors import ComposectlError

ENVIRON = {"PATH": os.defpath}
PATIENCE = 60.0

Program = Callable[[str], str]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    def write(script: str) -> str:
        path = tmp_path / "compose"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return str(path)

    return write


def as_compose(path: str) -> Compose:
    return Compose((path,), (2, 40, 3))


# Asking


def test_a_program_that_takes_too_long_has_not_answered(program: Program) -> None:
    hanging = program("while :; do :; done")
    assert ask([(hanging,), ("/bin/echo", "2.0.0")], ENVIRON, 2.0) == ["", "2.0.0\n"]


def test_a_program_that_fails_has_not_answered(program: Program) -> None:
    assert ask([(program("echo 2.0.0; exit 1"),)], ENVIRON, PATIENCE) == [""]


def test_a_program_that_waits_for_input_gets_none(program: Program) -> None:
    assert ask([(program("cat; echo done"),)], ENVIRON, PATIENCE) == ["done\n"]


# Rendering


async def test_the_rendered_project_is_what_stands_on_stdout(program: Program, tmp_path: Path) -> None:
    compose = as_compose(program('echo careful >&2; pwd; echo "$*"'))
    printed, _, warnings = await render_config(compose, Options(("a.yml",)), ENVIRON, tmp_path)
    assert printed == f"{tmp_path}\n--file a.yml --profile * config --format json\n"
    assert warnings == "careful\n"


async def test_warnings_that_quote_a_hostile_file_leave_the_terminal_alone(program: Program, tmp_path: Path) -> None:
    compose = as_compose(program("printf 'careful \\033]0;evil\\007with \\033[2Jthis\\n' >&2"))
    _, _, warnings = await render_config(compose, Options(("a.yml",)), ENVIRON, tmp_path)
    assert warnings == "careful with this\n"


async def test_a_failure_tells_the_error_the_hint_and_the_exit_code(program: Program, tmp_path: Path) -> None:
    compose = as_compose(program("echo 'no configuration file provided: not found' >&2; exit 14"))
    with pytest.raises(ComposectlError, match="no configuration file provided") as caught:
        await render_config(compose, Options(), ENVIRON, tmp_path)
    assert caught.value.exit_code == 14
    assert caught.value.hint == "`-f` names the compose file"


async def test_a_silent_failure_is_told_too(program: Program, tmp_path: Path) -> None:
    with pytest.raises(ComposectlError, match="config` failed with exit code 3"):
        await render_config(as_compose(program("exit 3")), Options(), ENVIRON, tmp_path)


async def test_a_program_that_cannot_be_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(ComposectlError, match="cannot be run: No such file or directory"):
        await run_compose([str(tmp_path / "gone")], ENVIRON, None, tmp_path)


# Doing


async def test_it_reads_the_project_and_says_everything_on_our_stderr(
    program: Program, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert await run_compose([program("cat; echo Creating >&2; exit 7")], ENVIRON, b"services:\n", tmp_path) == 7
    assert capfd.readouterr() == ("", "services:\nCreating\n")


async def test_one_that_reads_nothing_does_not_hold_us_up(program: Program, tmp_path: Path) -> None:
    assert await run_compose([program("exit 0")], ENVIRON, b"x" * 1_000_000, tmp_path) == 0


async def test_a_death_by_signal_is_told_as_a_shell_tells_it(program: Program, tmp_path: Path) -> None:
    assert await run_compose([program("kill -9 $$")], ENVIRON, None, tmp_path) == 137


async def test_the_terminals_ctrl_c_does_not_reach_it(tmp_path: Path) -> None:
    leads_its_session = "import os; raise SystemExit(os.getsid(0) != os.getpid())"
    assert await run_compose([sys.executable, "-c", leads_its_session], ENVIRON, None, tmp_path) == 0


async def test_cancelled_it_is_interrupted_and_may_tidy_up(program: Program, tmp_path: Path) -> None:
    script = program(f"read go; trap 'echo > {tmp_path}/tidy; exit 130' INT; echo $$ > $1; while :; do :; done")
    pid = await cancelled(script, tmp_path, grace=PATIENCE)
    assert (tmp_path / "tidy").exists()
    assert ends(pid)


async def test_cancelled_it_is_killed_if_it_does_not_heed(program: Program, tmp_path: Path) -> None:
    pid = await cancelled(program("read go; trap '' INT; echo $$ > $1; while :; do :; done"), tmp_path, grace=0.1)
    assert ends(pid)


async def test_cancelled_its_own_children_end_with_it(program: Program, tmp_path: Path) -> None:
    script = program("read go; sh -c 'trap \"\" INT; echo $$ > $0; while :; do :; done' $1 & wait")
    pid = await cancelled(script, tmp_path, grace=PATIENCE)
    assert ends(pid)


def test_becoming_compose_keeps_its_output_and_its_exit_code(program: Program) -> None:
    become = "import sys; from composectl.compose.process import exec_compose; exec_compose(sys.argv[1:], {'A': 'b'})"
    argv = [sys.executable, "-c", become, program("echo $A $1; exit 9"), "logs"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (9, "b logs\n")


async def cancelled(script: str, cwd: Path, grace: float) -> int:
    """Run `script`, cancel it when its process ID comes through the fifo that is its argument, and return that.

    The script first reads a line of its input, which comes once the start of its process cannot be cancelled any more.
    """
    fifo = cwd / "fifo"
    os.mkfifo(fifo)
    running = asyncio.ensure_future(run_compose([script, str(fifo)], ENVIRON, b"go\n", cwd, grace))
    pid = int(await asyncio.wait_for(asyncio.to_thread(fifo.read_text), PATIENCE))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, PATIENCE)
    return pid


def ends(pid: int) -> bool:
    """Whether the process has ended, or does so now that it was killed."""
    try:
        end = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with os.fdopen(end):
        return bool(select.select([end], [], [], PATIENCE)[0])


# A project, twice


async def test_the_project_is_rendered_in_both_ways_at_once(program: Program, tmp_path: Path) -> None:
    compose = as_compose(program('echo "warned" >&2; echo "$@"'))
    printed, in_yaml, warnings = await render_config(compose, Options(), ENVIRON, tmp_path, with_yaml=True)
    assert printed.split()[-2:] == ["--format", "json"]
    assert in_yaml.split()[-1] == "config"
    assert warnings == "warned\n"


async def test_v1_is_asked_once(program: Program, tmp_path: Path) -> None:
    compose = Compose((program(f"echo asked >>{tmp_path}/log; echo services:"),), (1, 29, 2))
    printed, in_yaml, _ = await render_config(compose, Options(), ENVIRON, tmp_path, with_yaml=True)
    assert printed == in_yaml
    assert (tmp_path / "log").read_text() == "asked\n"


READ_AND_BECOME = """
import asyncio, sys
from pathlib import Path
from composectl.compose.options import Options
from composectl.compose.process import exec_compose, render_config
from composectl.compose.binary import Compose

compose = Compose((sys.argv[1],), (2, 40, 3))
printed = asyncio.run(render_config(compose, Options(("-",)), {}, Path.cwd(), with_yaml=True))
assert printed[:2] == ("services: {}", "services: {}"), printed
exec_compose(compose.command, {})
"""


def test_a_file_on_stdin_is_there_as_often_as_it_is_needed(program: Program) -> None:
    read = [sys.executable, "-c", READ_AND_BECOME, program("/bin/cat")]
    done = subprocess.run(read, input="services: {}", capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "services: {}"
