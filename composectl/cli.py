"""The command line: words typed become calls; errors become a message, a hint and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from composectl import __version__, errors
from composectl.compose.options import Invocation
from composectl.config.options import (
    ARGUMENTS,
    balancing_options,
    completed,
    invocation_of,
    kind_of,
    logging_options,
    one_of,
    view_options,
)

_AS_TYPED: dict[str, Any] = {"ignore_unknown_options": True, "help_option_names": ["--help"]}

_COMPLETE = "_COMPOSECTL_COMPLETE"
_OF_COMPOSE_TOO = ("detach",)  # without --balance


class _Commands(click.Group):
    """Our commands, in sections; every other word is a command of Compose."""

    def get_command(self, ctx: click.Context, name: str) -> click.Command:
        return super().get_command(ctx, name) or _compose_command(name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, names in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, _one_line(self.commands[name])) for name in names])

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_commands(ctx, formatter)
        click.Command.format_options(self, ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        from composectl.commands.completion import commands

        ours = {name: _one_line(command) for name, command in self.commands.items()}
        return [*commands(ours, incomplete), *click.Command.shell_complete(self, ctx, incomplete)]


SECTIONS = {
    "Balance": ("up", "scale", "rollout", "drain", "undrain", "down", "proxy"),
    "Look": ("status", "attach", "logs", "doctor"),
    "Install": ("completion", "systemd-unit"),
}


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Any other command (ps, exec, config, ...) goes to Compose as it is. `COMMAND --help` tells more of ours.",
)
@click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    metavar="FILE",
    shell_complete=kind_of("file"),
    help="A compose file; repeat it.",
)
@click.option(
    "-p", "--project-name", metavar="NAME", shell_complete=completed("projects"), help="The project, or the proxy."
)
@click.option("--project-directory", metavar="DIR", shell_complete=kind_of("dir"), help="The project's directory.")
@click.option(
    "--env-file",
    "env_files",
    multiple=True,
    metavar="FILE",
    shell_complete=kind_of("file"),
    help="A file of variables; repeat it.  [.env]",
)
@click.option(
    "--profile",
    "profiles",
    multiple=True,
    metavar="NAME",
    shell_complete=completed("profiles"),
    help="A profile to enable; repeat it.",
)
@click.option(
    "-c", "--context", metavar="NAME", shell_complete=completed("contexts"), help="The Docker context of the engine."
)
@click.option("-H", "--host", metavar="URL", help="The address of the engine.")
@click.option(
    "--ansi", metavar="WHEN", shell_complete=one_of("never", "always", "auto"), help="Compose's colours.  [auto]"
)
@click.option(
    "--progress",
    metavar="TYPE",
    shell_complete=one_of("auto", "tty", "plain", "json", "quiet"),
    help="Compose's progress.  [auto]",
)
@click.option("--parallel", metavar="N", help="Compose's parallelism.")
@click.option("--compatibility", is_flag=True, help="Compose's compatibility mode.")
@click.option("--verbose", is_flag=True, help="Compose says more.")
@click.version_option(__version__, prog_name="composectl", help="Show the version.")
@click.pass_context
def cli(ctx: click.Context, /, **given: Any) -> None:
    """Scale a Docker Compose service behind the port that it already publishes.

    \b
    composectl up --balance echo=10   ten replicas behind the port, and a live table of who serves what
    composectl status                 the same truth from another terminal
    composectl scale echo=3           drain seven of them, and remove them
    composectl down                   everything stopped and removed

    With --dashboard `up` and `proxy` show it to browsers, with --metrics to Prometheus, with --access-log each request
    in a file. Programs ask and order by HTTP on a unix socket, in the folder that `doctor` names.
    """
    ctx.obj = invocation_of(given)


@cli.command(context_settings=_AS_TYPED)
@click.option(
    "--balance",
    multiple=True,
    metavar="SERVICE=N",
    shell_complete=completed("scales"),
    help="Run N replicas behind the service's port; repeat it.",
)
@click.option(
    "--listen", multiple=True, metavar="[HOST:]PORT[:TARGET]", help="Listen here, not where it publishes; repeat it."
)
@click.option("--drop-udp", is_flag=True, help="Leave the UDP ports of the balanced services unpublished.")
@balancing_options
@logging_options
@click.option(
    "--backend-address",
    metavar="HOW",
    shell_complete=completed("backend_addresses"),
    help="Reach backends by auto, container or published.  [auto]",
)
@view_options
@click.option("--ready-timeout", type=float, metavar="SECONDS", help="How long -d waits for a replica.  [60]")
@click.option("--handover", is_flag=True, help="Take over from the composectl that runs, losing nothing.")
@click.option("-d", "--detach", is_flag=True, help="Balance in the background.")
@ARGUMENTS
@click.pass_obj
def up(invocation: Invocation, /, arguments: Sequence[str], **given: Any) -> int:
    """Bring the project up, with N replicas of a service behind its port.

    The options of Compose's own `up` (--build, --force-recreate, --pull, ...) go through, and so does the whole
    command where no --balance is given and no `x-balance` stands in the compose file.

    \b
    composectl up --balance echo=10
    composectl up --balance echo=10 --build -d
    composectl up --balance worker=4 --listen 8080:80
    composectl up --balance echo=10 --dashboard 9091 --metrics 9464 --access-log access.log -d
    """
    from composectl.config.up import load_up_config

    loaded = load_up_config(invocation, given, arguments)
    if loaded is None:
        return _plain_up(invocation, arguments, given)
    from composectl.commands.up import up as run_up

    return run_up(invocation, *loaded)


@cli.command()
@click.option("--listen", multiple=True, metavar="[HOST:]PORT", help="Where to listen; repeat it.")
@click.option("--backend", "backends", multiple=True, metavar="HOST:PORT", help="A backend; repeat it.")
@click.option(
    "--service",
    default="",
    metavar="NAME",
    shell_complete=completed("services"),
    help="Follow its replicas.  [DOCKER_COMPOSE_SERVICE_NAME]",
)
@click.option("--port", default="", metavar="N", help="The port of the replicas.  [the lowest that each exposes]")
@balancing_options
@logging_options
@view_options
@click.option("--name", default="", metavar="NAME", help="What `-p` calls it elsewhere.  [proxy-PORT]")
@click.option("-d", "--detach", is_flag=True, help="Balance in the background.")
@click.pass_obj
def proxy(invocation: Invocation, /, **given: Any) -> int:
    """Balance over backends that are fixed, without Docker or a compose file.

    Without --backend, follow the replicas of a service as Compose scales it, in a container beside them: the project
    is that of the container, or the one that -p names, and --listen is 8080.

    \b
    composectl proxy --listen 8080 --backend 127.0.0.1:9001 --backend 127.0.0.1:9002
    composectl proxy --listen 127.0.0.1:8080 --backend app.internal:80 --policy p2c
    composectl proxy --listen [::1]:8080 --backend [::1]:9001 --name edge -d
    composectl -p edge status
    composectl -p edge down
    composectl -p shop proxy --service echo --listen 9090
    """
    from composectl.config.proxy import make_proxy_config
    from composectl.daemon.proxy import proxy as run_proxy

    project = invocation.options.project_name
    return run_proxy(invocation, make_proxy_config(given, project, invocation.environ, invocation.cwd))


@cli.command()
@click.argument("scales", nargs=-1, required=True, metavar="SERVICE=N...", shell_complete=completed("balanced_scales"))
@click.option("--oldest-first", is_flag=True, help="Who started first leaves first.  [the highest number]")
@click.pass_obj
def scale(invocation: Invocation, scales: Sequence[str], oldest_first: bool) -> int:
    """Change how many replicas there are, without losing a request.

    \b
    composectl scale echo=3
    """
    from composectl.commands.scale import scale as run_scale

    return run_scale(invocation, scales, oldest_first=oldest_first)


@cli.command()
@click.argument("services", nargs=-1, required=True, metavar="SERVICE...", shell_complete=completed("balanced"))
@click.option("--parallel", metavar="N", help="So many at a time.  [1]")
@click.option("--monitor", metavar="TIME", help="How long a new replica is watched before an old one leaves.  [5s]")
@click.option("--ready-timeout", metavar="TIME", help="How long it may take to be ready.  [60s]")
@click.option("--canary", metavar="SHARE", help="Hold one new replica at this share of the requests, as in 10%.")
@click.option("--promote", is_flag=True, help="The canary is good: go on with its rollout.")
@click.option("--abort", is_flag=True, help="Take the canary back.")
@click.pass_obj
def rollout(invocation: Invocation, /, services: Sequence[str], **given: Any) -> int:
    """Take new replicas for old ones, without losing a request.

    The compose files and images are taken as they are now. A new replica serves before an old one leaves; one that
    does not serve, or that fails requests which the old ones do not, is removed again, and the old ones stay.

    \b
    composectl rollout echo
    composectl build echo && composectl rollout echo --monitor 30s
    composectl rollout echo --canary 10%
    composectl rollout echo --promote
    """
    from composectl.commands.rollout import judge
    from composectl.commands.rollout import rollout as run_rollout
    from composectl.config.rollout import decides_canary, make_rollout_config

    if decides_canary(services, given):
        return judge(invocation, services[0], promote=given["promote"])
    return run_rollout(invocation, services, make_rollout_config(given))


@cli.command()
@click.argument("service", shell_complete=completed("balanced"))
@click.argument("number", type=int, shell_complete=completed("numbers"))
@click.pass_obj
def drain(invocation: Invocation, service: str, number: int) -> int:
    """Send nothing more to one replica, and wait until it has finished.

    Its container runs on, and `undrain` takes it back.

    \b
    composectl drain echo 3
    """
    from composectl.commands.drain import drain as run_drain

    return run_drain(invocation, service, number)


@cli.command()
@click.argument("service", shell_complete=completed("balanced"))
@click.argument("number", type=int, shell_complete=completed("in_maintenance"))
@click.pass_obj
def undrain(invocation: Invocation, service: str, number: int) -> int:
    """Let a replica that was drained by hand serve again.

    \b
    composectl undrain echo 3
    """
    from composectl.commands.drain import undrain as run_undrain

    return run_undrain(invocation, service, number)


@cli.command()
@click.argument("services", nargs=-1, metavar="[SERVICE...]", shell_complete=completed("balanced"))
@click.option("-w", "--watch", "watched", is_flag=True, help="The live table, until Ctrl-C or the end of it.")
@click.option("--json", "as_json", is_flag=True, help="For machines; the keys are stable. With --watch one line each.")
@click.option("-a", "--all", "every", is_flag=True, help="Every project and proxy of this user.")
@click.pass_obj
def status(invocation: Invocation, /, services: Sequence[str], **given: Any) -> int:
    """Show who serves what.

    The exit code is 0 where every service has a replica that is ready, 3 where one has none, 1 where no composectl
    runs, and 130 after Ctrl-C. Away from a terminal, --watch prints a line for each change.

    \b
    composectl status
    composectl status echo --json
    composectl status --watch
    composectl status --all --json --watch
    composectl status echo >/dev/null && curl http://localhost:9090/
    """
    from composectl.commands.status import status as run_status

    return run_status(invocation, services, **given)


@cli.command(context_settings=_AS_TYPED)
@ARGUMENTS
@click.pass_obj
def attach(invocation: Invocation, arguments: Sequence[str]) -> int:
    """Show the live table of what runs in the background.

    Ctrl-C leaves the table, and the composectl that it shows goes on. With a service behind it, it is Compose's own
    `attach`.

    \b
    composectl attach
    """
    if arguments:
        return _pass_through(invocation, ("attach", *arguments))
    from composectl.commands.status import attach as run_attach

    return run_attach(invocation)


@cli.command(context_settings=_AS_TYPED)
@click.option("--balancer", is_flag=True, help="The log of composectl itself, where it runs or ran in the background.")
@ARGUMENTS
@click.pass_obj
def logs(invocation: Invocation, balancer: bool, arguments: Sequence[str]) -> int:
    """Show what the replicas say, or with --balancer what composectl says.

    Without --balancer all that is typed goes to Compose. With it the log of the background process is shown, also
    when that has ended, and -f follows it until then.

    \b
    composectl logs -f echo
    composectl logs --balancer
    composectl logs --balancer -f
    """
    if not balancer:
        return _pass_through(invocation, ("logs", *arguments))
    from composectl.commands.logs import balancer_log

    return balancer_log(invocation, arguments)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="For machines; the keys are stable.")
@click.pass_obj
def doctor(invocation: Invocation, as_json: bool) -> int:
    """Show what this machine has of all that is needed.

    The exit code is 1 where something is missing.

    \b
    composectl doctor
    composectl -c far doctor --json
    """
    from composectl.commands.doctor import doctor as run_doctor

    return run_doctor(invocation, as_machine=as_json)


@cli.command()
@click.argument("shell", metavar="bash|zsh|fish", shell_complete=one_of("bash", "zsh", "fish"))
def completion(shell: str) -> int:
    """Print what makes a shell complete commands, options, services and names.

    \b
    eval "$(composectl completion bash)"        in ~/.bashrc
    eval "$(composectl completion zsh)"         in ~/.zshrc, after compinit
    composectl completion fish | source         in ~/.config/fish/config.fish
    """
    from composectl.commands.completion import completion as run_completion

    return run_completion(shell)


@cli.command("systemd-unit", context_settings=_AS_TYPED, options_metavar="[OPTIONS OF up]")
@ARGUMENTS
@click.pass_context
def systemd_unit(ctx: click.Context, arguments: Sequence[str]) -> int:
    """Print a systemd user unit that runs `up` for this project.

    It takes the options of `up`. The unit has absolute paths and the COMPOSE_* and DOCKER_* variables that are set;
    its first lines tell how to install it.

    \b
    composectl systemd-unit --balance echo=10 > ~/.config/systemd/user/composectl-shop.service
    systemctl --user enable --now composectl-shop
    """
    given = up.make_context("up", list(arguments), parent=ctx.parent).params
    from composectl.commands.systemd_unit import systemd_unit as run_systemd_unit

    return run_systemd_unit(ctx.obj, given, given.pop("arguments"), arguments)


@cli.command(context_settings=_AS_TYPED)
@ARGUMENTS
@click.pass_obj
def down(invocation: Invocation, arguments: Sequence[str]) -> int:
    """End the running composectl, then stop and remove the containers.

    The options of Compose's own `down` (--volumes, --rmi, --timeout, ...) go through.

    \b
    composectl down
    composectl down --volumes
    """
    from composectl.commands.down import down as run_down

    return run_down(invocation, arguments)


def main() -> None:
    """The command `composectl`."""
    try:
        if _COMPLETE in os.environ:
            from composectl.commands.completion import register

            register()
        sys.exit(cli.main(prog_name="composectl", complete_var=_COMPLETE, standalone_mode=False) or 0)
    except errors.ComposectlError as error:
        sys.exit(_tell(error))
    except click.ClickException as error:
        sys.exit(_tell(errors.ComposectlError(error.format_message(), _usage_hint(error), error.exit_code)))
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads: say no more
        sys.exit(1)


# Private


def _one_line(command: click.Command) -> str:
    """The first sentence of its help."""
    return " ".join((command.help or "").partition("\n\n")[0].split()).removesuffix(".")


def _compose_command(name: str) -> click.Command:
    @click.command(name, context_settings=_AS_TYPED | {"allow_interspersed_args": False}, add_help_option=False)
    @ARGUMENTS
    @click.pass_obj
    def command(invocation: Invocation, arguments: Sequence[str]) -> int:
        return _pass_through(invocation, (name, *arguments))

    return command


def _plain_up(invocation: Invocation, arguments: Sequence[str], given: dict[str, Any]) -> int:
    for option, value in given.items():
        if value and option not in _OF_COMPOSE_TOO:
            raise errors.needs_balance("--" + option.replace("_", "-"))
    return _pass_through(invocation, ("up", *(("-d",) if given["detach"] else ()), *arguments))


def _pass_through(invocation: Invocation, arguments: Sequence[str]) -> int:
    from composectl.commands.passthrough import pass_through

    pass_through(invocation, arguments)


def _tell(error: errors.ComposectlError) -> int:
    from composectl.sanitize import sanitize, sanitize_lines

    hint = f"\n\n{click.style('hint', bold=True)}: {sanitize(error.hint)}" if error.hint else ""
    click.echo(f"{click.style('error', fg='red', bold=True)}: {sanitize_lines(error.message)}{hint}", err=True)
    return error.exit_code


def _usage_hint(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f"`{context.command_path} --help` tells more" if context else ""
