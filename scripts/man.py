"""The man page, from click's declarations: `python scripts/man.py > docs/composectl.1`."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator, Mapping

import click

from composectl import __version__
from composectl.cli import SECTIONS, cli

_DATE = "2026-11-25"

_EXIT_STATUS = {
    "0": "The command succeeded.",
    "1": "The command failed, or no composectl runs that could answer; the reason is on stderr.",
    "2": "The command line is invalid.",
    "3": "`status`: a service that was asked for has no ready replica.",
    "129, 130, 143": "Ended by SIGHUP, by Ctrl-C (SIGINT), by SIGTERM.",
    "other": "The exit code of Compose, if Compose failed.",
}
_ENVIRONMENT = {
    "COMPOSECTL_COMPOSE": "The Compose to use: a path, or `docker compose`.",
    "COMPOSE_FILE, COMPOSE_PROJECT_NAME, COMPOSE_PROFILES, ...": "As for Compose.",
    "DOCKER_HOST, DOCKER_CONTEXT, DOCKER_TLS_VERIFY, DOCKER_CERT_PATH, DOCKER_CONFIG": "As for docker.",
    "NO_COLOR": "If it is set, the output has no colours.",
}
_FILES = {
    "$XDG_RUNTIME_DIR/composectl": "The control sockets and locks of running composectls.",
    "$XDG_STATE_HOME/composectl, or ~/.local/state/composectl": "The logs of composectls in the background.",
}

_SPECIAL = {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "~": r"\(ti", "^": r"\(ha"}


def man_page() -> str:
    """The whole page, in the macros of man(7)."""
    return "".join(f"{line}\n" for line in _lines())


# Private


def _lines() -> Iterator[str]:
    context = click.Context(cli, info_name="composectl")
    first, *_ = _paragraphs(cli)
    yield f'.TH COMPOSECTL 1 "{_DATE}" "composectl {_plain(__version__)}" "User Commands"'
    yield from (".SH NAME", rf"composectl \- {_plain(first[:1].lower() + first[1:]).removesuffix('.')}", ".SH SYNOPSIS")
    yield from _usage(cli, context)
    yield ".SH DESCRIPTION"
    yield from _text(cli)
    yield from (".PP", _plain(cli.epilog or ""))
    yield ".SH OPTIONS"
    yield from _options(cli, context)
    for title, names in SECTIONS.items():
        yield f'.SH "COMMANDS: {title.upper()}"'
        for name in names:
            yield from _command(name, context)
    yield from _list("EXIT STATUS", _EXIT_STATUS)
    yield from _list("ENVIRONMENT", _ENVIRONMENT)
    yield from _list("FILES", _FILES)


def _command(name: str, parent: click.Context) -> Iterator[str]:
    command = cli.get_command(parent, name)
    context = click.Context(command, info_name=name, parent=parent)
    yield f".SS {_plain(name)}"
    yield from _usage(command, context)
    yield ".PP"
    yield from _text(command)
    yield from _options(command, context)


def _usage(command: click.Command, context: click.Context) -> Iterator[str]:
    yield rf"\fB{_plain(context.command_path)}\fR {_plain(' '.join(command.collect_usage_pieces(context)))}"


def _text(command: click.Command) -> Iterator[str]:
    """Its paragraphs; the examples as they stand there."""
    for number, paragraph in enumerate(_paragraphs(command)):
        if number:
            yield ".PP"
        if paragraph.startswith("\b"):
            yield from (".EX", *map(_plain, paragraph.splitlines()[1:]), ".EE")
        else:
            yield _plain(" ".join(paragraph.split()))


def _paragraphs(command: click.Command) -> list[str]:
    return re.split(r"\n\s*\n", inspect.cleandoc(command.help or ""))


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record:
            yield from (".TP", rf"\fB{_plain(record[0])}\fR", _plain(" ".join(record[1].split())))


def _list(title: str, items: Mapping[str, str]) -> Iterator[str]:
    yield f'.SH "{title}"'
    for name, meaning in items.items():
        yield from (".TP", rf"\fB{_plain(name)}\fR", _plain(meaning))


def _plain(text: str) -> str:
    escaped = "".join(_SPECIAL.get(sign, sign) for sign in text)
    return rf"\&{escaped}" if escaped.startswith(".") else escaped


if __name__ == "__main__":
    sys.stdout.write(man_page())
