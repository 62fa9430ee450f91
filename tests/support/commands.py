"""The commands of composectl, as click knows them."""

from __future__ import annotations

import click

from composectl.cli import cli

COMMANDS = {name: cli.get_command(click.Context(cli), name) for name in cli.list_commands(click.Context(cli))}
