"""The command line: the group of commands, and how an error is printed."""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from composectl import __version__, errors
from composectl.compose.options import Invocation, Options
from composectl.config.completion import COMPOSE, completed, one_of

_COMPLETE = "_COMPOSECTL_COMPLETE"
SECTIONS = {
    "Balance": ("up", "scale", "rollout", "drain", "undrain", "down", "proxy"),
    "Look": ("status", "attach", "logs", "port", "doctor"),
    "Install": ("completion", "systemd-unit", "trust", "untrust"),
}
_FILES: dict[str, Any] = {"multiple": True, "metavar": "FILE", "type": click.Path(readable=False)}
_DIRECTORY = click.Path(file_okay=False, readable=False)
_ANSI = one_of("never", "always", "auto")
_PROGRESS = one_of("auto", "tty", "plain", "json", "quiet")


def _name(completion: str) -> dict[str, Any]:
    return {"metavar": "NAME", "shell_complete": completed(completion)}


class _Group(click.Group):
    """The commands, in sections, each imported once it is needed; every other word is a command of Compose."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        rest = super().parse_args(ctx, args)
        ctx.obj = _invocation(ctx.params)  # now, for a shell that completes runs no callback
        return rest

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            error.ctx = error.ctx or click.Context(self, ctx, ctx.invoked_subcommand)  # click's parser names none
            raise

    def get_command(self, ctx: click.Context, name: str) -> click.Command:
        if name in self.list_commands(ctx):
            identifier = name.replace("-", "_")
            command: click.Command = getattr(import_module(f"composectl.commands.{identifier}"), identifier)
            return command
        from composectl.commands.passthrough import compose_command

        if name not in COMPOSE and not ctx.resilient_parsing:
            errors.check_spelling("command", name, self.list_commands(ctx))
            errors.check_spelling("command", name, COMPOSE)
        return compose_command(name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for names in SECTIONS.values() for name in names]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, names in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, _summary(self.get_command(ctx, name))) for name in names])

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_commands(ctx, formatter)
        click.Command.format_options(self, ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        texts = dict.fromkeys(COMPOSE, "Compose's own")
        texts |= {name: _summary(self.get_command(ctx, name)) for name in self.list_commands(ctx)}
        items = [CompletionItem(name, help=text) for name, text in texts.items() if name.startswith(incomplete)]
        return items + click.Command.shell_complete(self, ctx, incomplete)


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Any other command (ps, exec, config, ...) is passed on to Compose. `COMMAND --help` shows its options.",
)
@click.option("-f", "--file", "files", **_FILES, help="Read this compose file; repeat it.")
@click.option("-p", "--project-name", **_name("projects"), help="Name the project, or the proxy.")
@click.option("--project-directory", metavar="DIR", type=_DIRECTORY, help="Set the project's directory.")
@click.option("--env-file", "env_files", **_FILES, help="Read variables from this file; repeat it.  [default: .env]")
@click.option("--profile", "profiles", multiple=True, **_name("profiles"), help="Enable this profile; repeat it.")
@click.option("-c", "--context", **_name("contexts"), help="Use the engine of this Docker context.")
@click.option("-H", "--host", metavar="URL", help="Use the engine at this address.")
@click.option("--ansi", metavar="WHEN", shell_complete=_ANSI, help="When Compose prints colours.  [default: auto]")
@click.option(
    "--progress", metavar="TYPE", shell_complete=_PROGRESS, help="How Compose prints progress.  [default: auto]"
)
@click.option("--parallel", metavar="N", help="Limit Compose to this many calls at a time.")
@click.option("--compatibility", is_flag=True, help="Use Compose's compatibility mode.")
@click.option("--verbose", is_flag=True, help="Make Compose print more.")
@click.version_option(__version__, prog_name="composectl", help="Show the version.")
def cli(**_: Any) -> None:
    """Scale a Docker Compose service behind the port that it already publishes.

    \b
    composectl up --balance echo=10   ten replicas behind the port, and a live table of them
    composectl status                 the same table in another terminal
    composectl scale echo=3           drain seven of them, and remove them
    composectl down                   everything stopped and removed

    `up` and `proxy` also have a dashboard (--dashboard), metrics for Prometheus (--metrics) and an access log
    (--access-log). Programs use the HTTP API on a unix socket, in the folder that `doctor` shows.
    """


def main() -> None:
    """The command `composectl`."""
    _open_standard_descriptors()
    try:
        if _COMPLETE in os.environ:
            from composectl.commands.completion import register

            register()
        sys.exit(cli.main(prog_name="composectl", complete_var=_COMPLETE, standalone_mode=False) or 0)
    except errors.ComposectlError as error:
        sys.exit(_print_error(error))
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        sys.exit(_print_error(_usage_error(error)))
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has gone
        sys.exit(1)


# Private


def _open_standard_descriptors() -> None:
    """Where one was closed, a socket would take its place, and Compose would write its progress there."""
    for descriptor in range(3):
        with suppress(OSError):
            os.fstat(descriptor)
            continue
        os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest that is free
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def _invocation(typed: dict[str, Any]) -> Invocation:
    """What the global options say, here and now."""
    passed_on = [
        word for name in ("ansi", "progress", "parallel") if typed[name] for word in (f"--{name}", typed[name])
    ]
    passed_on += [f"--{name}" for name in ("compatibility", "verbose") if typed[name]]
    options = Options(
        files=tuple(typed["files"]),
        project_name=typed["project_name"] or "",
        project_directory=typed["project_directory"] or "",
        env_files=tuple(typed["env_files"]),
        profiles=tuple(typed["profiles"]),
        others=tuple(passed_on),
    )
    return Invocation(options, typed["host"], typed["context"], dict(os.environ), Path.cwd())


def _summary(command: click.Command) -> str:
    return command.get_short_help_str(limit=200).removesuffix(".")


def _print_error(error: errors.ComposectlError) -> int:
    from composectl.sanitize import sanitize, sanitize_lines

    hint = f"\n\n{click.style('hint', bold=True)}: {sanitize(error.hint)}" if error.hint else ""
    click.echo(f"{click.style('error', fg='red', bold=True)}: {sanitize_lines(error.message)}{hint}", err=True)
    return error.exit_code


def _usage_error(error: click.ClickException) -> errors.ComposectlError:
    """An error of click in the form of composectl."""
    message, _, hint = re.sub("'([^']*)'", r"`\1`", error.format_message()).removesuffix(".").partition(". ")
    if not hint and isinstance(error, click.UsageError):
        hint = f"for its usage, run `{error.ctx.command_path if error.ctx else 'composectl'} --help`"
    message, hint = (text[:1].lower() + text[1:] for text in (message, hint))
    return errors.ComposectlError(message, hint, error.exit_code)
