"""The page of all commands, from click's declarations: `python scripts/reference.py > docs/reference/cli.md`."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator

import click

from composectl.cli import SECTIONS, cli

_PREFACE = """\
# Commands

`scripts/reference` makes this page from the text that `composectl COMMAND --help` shows."""


def reference() -> str:
    """The whole page, in Markdown."""
    return "\n\n".join(_blocks()) + "\n"


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


if __name__ == "__main__":
    sys.stdout.write(reference())
