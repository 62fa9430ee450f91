"""Pages from click's declarations and the table of options: `python scripts/reference.py commands|options|schema`."""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterator

import click

from composectl.cli import SECTIONS, cli
from composectl.config.option import FLAG, Option
from composectl.config.options import OPTIONS
from composectl.config.x_balance import schema

_OPTIONS_PREFACE = """\
# Options

`scripts/reference` makes this page from the table in `composectl/config/options.py`. An option on the command line wins
over the key of [`x-balance`](x-balance.md), and the key wins over the default. An option is for the daemon, for each
balanced service, or for a port. Some work on HTTP requests, and have no meaning for other connections:
composectl refuses them where no port of a service is for HTTP."""
_OPTIONS_HEAD = """\
| flag | key of `x-balance` | value | commands | for the | HTTP only | default | what it does |
|---|---|---|---|---|---|---|---|"""
_PREFACE = """\
# Commands

`scripts/reference` makes this page from the text that `composectl COMMAND --help` shows."""


def reference() -> str:
    """The page of the commands, in Markdown."""
    return "\n\n".join(_blocks()) + "\n"


def options() -> str:
    """The page of the options of `up`, `proxy` and `x-balance`, in Markdown."""
    rows = [row for row in OPTIONS if row.key or {"up", "proxy"} & {*row.commands}]
    return "\n\n".join((_OPTIONS_PREFACE, "\n".join((_OPTIONS_HEAD, *map(_option_row, rows))))) + "\n"


def schema_text() -> str:
    """The JSON Schema of `x-balance`."""
    return json.dumps(schema(), indent=2) + "\n"


# Private


def _blocks() -> Iterator[str]:
    context = click.Context(cli, info_name="composectl")
    yield _PREFACE
    yield from _described(cli, context)
    for title, names in SECTIONS.items():
        yield f"## {title}"
        for name in names:
            command = cli.get_command(context, name)
            yield f"### {name}"
            yield from _described(command, click.Context(command, info_name=name, parent=context))
    yield "## Any other command"
    yield cli.epilog or ""


def _described(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"    {' '.join((context.command_path, *command.collect_usage_pieces(context)))}"
    yield from map(_paragraph, re.split(r"\n\s*\n", inspect.cleandoc(command.help or "")))
    records = [parameter.get_help_record(context) for parameter in command.get_params(context)]
    rows = [f"| `{_cell(option)}` | {_cell(text)} |" for option, text in filter(None, records) if text]
    yield "\n".join(("| option | what it does |", "|---|---|", *rows))


def _paragraph(text: str) -> str:
    """Examples (click marks them with a backspace) as code, anything else on one line."""
    if text.startswith("\b"):
        return "\n".join(f"    {line}" for line in text.splitlines()[1:])
    return " ".join(text.split())


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


def _option_row(row: Option) -> str:
    flag = f"`{row.flag}`" if row.commands else ""
    commands = ", ".join(f"`{command}`" for command in row.commands)
    key, kind = f"`{row.key}`" if row.key else "", "" if row.kind is FLAG else f"`{row.metavar}`"
    http = "yes, and makes `auto` `http`" if row.guards else "yes" if row.needs_http else ""
    cells = (flag, key, kind, commands, row.scope.value, http, row.default_text, row.help)
    return f"| {' | '.join(map(_cell, cells))} |"


if __name__ == "__main__":
    sys.stdout.write({"commands": reference, "options": options, "schema": schema_text}[sys.argv[1]]())
