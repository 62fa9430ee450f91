"""The command line, as a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from composectl import __version__
from composectl.balance.policy import POLICIES
from composectl.cli import SECTIONS
from tests.support.cli_error import cli_error_in
from tests.support.commands import COMMANDS
from tests.support.paths import ROOT


def composectl(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "composectl", *words],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


INTERRUPTED = """
import importlib, os, signal, sys
class Interrupt:
    def find_spec(self, name, *_):
        if name == "click":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
module, _, function = {entry!r}.partition(":")
getattr(importlib.import_module(module), function)()
"""


def test_ctrl_c_while_it_is_still_imported_ends_it_without_a_word() -> None:
    entry = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["composectl"]
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED.format(entry=entry)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_it_tells_its_version() -> None:
    assert composectl("--version").stdout == f"composectl, version {__version__}\n"


@pytest.mark.parametrize("words", [(), *((name,) for name in COMMANDS)])
def test_every_command_has_help_with_an_example(words: tuple[str, ...]) -> None:
    helped = composectl(*words, "--help")
    assert helped.returncode == 0
    assert helped.stdout.startswith(" ".join(("Usage: composectl", *words)))
    assert "  composectl " + (words[0] if words else "up") in helped.stdout.replace('eval "$(', "")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_does_in_a_sentence(name: str) -> None:
    said = {str(option): option.help or "" for option in COMMANDS[name].params if isinstance(option, click.Option)}
    assert [option for option, text in said.items() if not re.fullmatch(r"\S.*\.(  \[.+\])?", text)] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_what_may_be_repeated_says_so(name: str) -> None:
    options = [option for option in COMMANDS[name].params if isinstance(option, click.Option)]
    assert [option for option in options if option.multiple != ("repeat it" in (option.help or ""))] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_that_takes_a_value_names_it_in_capitals(name: str) -> None:
    valued = [option for option in COMMANDS[name].params if isinstance(option, click.Option) and not option.is_flag]
    assert [option for option in valued if not option.metavar or option.metavar != option.metavar.upper()] == []


def test_the_list_of_commands_has_each_of_them_once() -> None:
    files = {path.stem.replace("_", "-") for path in (ROOT / "composectl" / "commands").glob("*.py")}
    assert sorted(name for names in SECTIONS.values() for name in names) == sorted(files - {"--init--", "passthrough"})


@pytest.mark.parametrize("command", ["up", "proxy"])
def test_the_help_names_every_policy(command: str) -> None:
    helped = " ".join(composectl(command, "--help").stdout.split()).replace("- ", "-")  # lines break at hyphens
    assert all(f" {policy}" in helped for policy in POLICIES)


def test_a_wrong_option_is_told_in_our_words() -> None:
    refused = composectl("status", "--jsn")
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: no such option `--jsn`")
    assert "\n\nhint: " in refused.stderr


def test_alone_it_prints_its_help() -> None:
    alone = composectl()
    assert alone.returncode == 2
    assert alone.stderr == composectl("--help").stdout


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (("stauts",), "no such command `stauts`", "did you mean `status`?"),
        (("donw", "--volumes"), "no such command `donw`", "did you mean `down`?"),
        (("buidl",), "no such command `buidl`", "did you mean `build`?"),
        (("up", "--blance", "web=2"), "no such option `--blance`", "did you mean `--balance`?"),
        (("up", "-d", "--metric=9464", "web"), "no such option `--metric`", "did you mean `--metrics`?"),
        (("up", "--balance"), "option `--balance` requires an argument", "for its usage, run `composectl up --help`"),
        (("--file",), "option `--file` requires an argument", "for its usage, run `composectl --help`"),
    ],
)
def test_a_mistyped_word_with_the_one_that_was_meant(words: tuple[str, ...], message: str, hint: str) -> None:
    error = cli_error_in(composectl(*words))
    assert (error.exit_code, error.message, error.hint) == (2, message, hint)


@pytest.mark.parametrize(
    "words", ["publish", "bridge", "alpha", "up --always-recreate-deps --quiet-build --wait-timeout 5 --no-build-cache"]
)
def test_words_of_compose_that_are_near_ours_go_to_it(tmp_path: Path, words: str) -> None:
    compose = tmp_path / "compose"
    compose.write_text('#!/bin/sh\n[ "$1" = version ] && echo 2.29.0 || echo "$@"\n')
    compose.chmod(0o700)
    passed = composectl(*words.split(), COMPOSECTL_COMPOSE=str(compose))
    assert passed.stdout == f"{words}\n"


def test_h18_what_an_error_quotes_cannot_steer_the_terminal() -> None:
    refused = composectl("proxy", "--listen", "\x1b[2J\x1b]0;title\x07http", "--backend", "127.0.0.1:1")
    assert refused.stderr.startswith("error: invalid value `http` for `--listen`: expected ")


def test_options_of_balancing_want_balance(tmp_path: Path) -> None:
    compose = tmp_path / "compose"
    compose.write_text('#!/bin/sh\n[ "$1" = version ] && echo 2.29.0 || echo \'{"services": {"echo": {}}}\'\n')
    compose.chmod(0o700)
    refused = composectl("up", "--policy", "p2c", COMPOSECTL_COMPOSE=str(compose))
    assert refused.returncode == 2
    assert refused.stderr == (
        "error: `--policy` requires `--balance`\n\n"
        "hint: for example: `--balance echo=10`, or `x-balance: 10` in the compose file\n"
    )


def test_options_of_balancing_show_what_is_wrong_with_the_file(tmp_path: Path) -> None:
    compose = tmp_path / "compose"
    compose.write_text('#!/bin/sh\n[ "$1" = version ] && echo 2.29.0 || { echo "line 5: no such key" >&2; exit 15; }\n')
    compose.chmod(0o700)
    refused = composectl("up", "--handover", "-d", COMPOSECTL_COMPOSE=str(compose))
    assert refused.returncode == 15  # as Compose ended
    assert refused.stderr == (
        "error: line 5: no such key\n\nhint: `composectl config` shows all that Compose says of it\n"
    )


def test_the_timeout_of_a_plain_up_goes_to_compose(tmp_path: Path) -> None:
    compose = tmp_path / "compose"
    compose.write_text('#!/bin/sh\n[ "$1" = version ] && echo 2.29.0 || echo "$@"\n')
    compose.chmod(0o700)
    passed = composectl("up", "-d", "--timeout", "0", "db", COMPOSECTL_COMPOSE=str(compose))
    assert passed.stdout == "up -d --timeout 0 db\n"


@pytest.fixture
def declaring(tmp_path: Path) -> str:
    """A Compose whose project declares how `echo` is balanced."""
    printed = 'services: {echo: {image: a, ports: ["8080:80"], x-balance: 3}}'
    compose = tmp_path / "compose"
    compose.write_text(f"""#!/bin/sh
    case "$*" in
      version*) echo 1.29.2 ;;
      *config) echo '{printed}' ;;
      *) echo "$@" ;;
    esac
    """)
    compose.chmod(0o700)
    return str(compose)


@pytest.mark.parametrize("option", ["--no-start", "--dry-run"])
def test_what_starts_nothing_goes_to_compose_despite_the_file(declaring: str, option: str) -> None:
    assert composectl("up", option, COMPOSECTL_COMPOSE=declaring).stdout == f"up {option}\n"


def test_a_declared_service_not_to_be_started_is_left_to_compose(declaring: str) -> None:
    passed = composectl("up", "db", DOCKER_HOST="unix:///nonexistent/docker.sock", COMPOSECTL_COMPOSE=declaring)
    assert passed.stdout == "up db\n"


def test_with_a_declared_service_options_of_logs_are_refused(declaring: str) -> None:
    refused = composectl("up", "--abort-on-container-exit", COMPOSECTL_COMPOSE=declaring)
    assert refused.returncode == 2
    assert "cannot be combined with `--balance` or `x-balance`" in refused.stderr


@pytest.mark.parametrize("slow", ["docker", "aiohttp", "rich", "yaml", "uvloop"])
def test_starting_up_imports_nothing_slow(slow: str) -> None:
    code = f"import sys, composectl.cli; sys.exit({slow!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
