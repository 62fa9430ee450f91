"""`composectl systemd-unit`: the unit that runs `up` for the project of this directory, on stdout."""

from __future__ import annotations

import math
import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from composectl import errors
from composectl.commands.passthrough import ARGUMENTS, PASSED_ON
from composectl.commands.up import up
from composectl.compose.options import Invocation

# What Compose and docker are set by. Others with these prefixes, such as DOCKER_TOKEN, may be secrets.
_KEPT = {
    *("COMPOSECTL_COMPOSE", "PATH"),  # where Compose is found
    *("COMPOSE_ANSI", "COMPOSE_API_VERSION", "COMPOSE_BAKE", "COMPOSE_COMPATIBILITY", "COMPOSE_CONVERT_WINDOWS_PATHS"),
    *("COMPOSE_DISABLE_ENV_FILE", "COMPOSE_DOCKER_CLI_BUILD", "COMPOSE_ENV_FILES", "COMPOSE_EXPERIMENTAL"),
    *("COMPOSE_FILE", "COMPOSE_HTTP_TIMEOUT", "COMPOSE_IGNORE_ORPHANS", "COMPOSE_INTERACTIVE_NO_CLI", "COMPOSE_MENU"),
    *("COMPOSE_PARALLEL_LIMIT", "COMPOSE_PATH_SEPARATOR", "COMPOSE_PROFILES", "COMPOSE_PROGRESS"),
    *("COMPOSE_PROJECT_NAME", "COMPOSE_REMOVE_ORPHANS", "COMPOSE_STATUS_STDOUT", "COMPOSE_TLS_VERSION"),
    *("DOCKER_API_VERSION", "DOCKER_BUILDKIT", "DOCKER_CERT_PATH", "DOCKER_CONFIG", "DOCKER_CONTENT_TRUST"),
    *("DOCKER_CONTENT_TRUST_SERVER", "DOCKER_CONTEXT", "DOCKER_DEFAULT_PLATFORM", "DOCKER_HOST", "DOCKER_TLS"),
    "DOCKER_TLS_VERIFY",
}
_PROJECT = re.compile(r"[-\w.]+", re.ASCII)
_PLAIN = re.compile(r"[-\w@:,./+=]+", re.ASCII)
_LAST_WORDS_SECONDS = 10
_UNIT = """\
# mkdir -p ~/.config/systemd/user
# {install} > ~/.config/systemd/user/{name}.service
# systemctl --user enable --now {name}
#
# `loginctl enable-linger` lets it run while you are not logged in, too. The compose file is read anew at each start:
# with the variables of its `.env` and of this unit, without those of your shell.

[Unit]
Description=composectl of project {project}
StartLimitIntervalSec=0

[Service]
Type=exec
WorkingDirectory={directory}
{environment}ExecStart=:{command}
Restart=on-failure
RestartSec=5
SuccessExitStatus=130 143
KillMode=mixed
TimeoutStopSec={stop_seconds}

[Install]
WantedBy=default.target
"""


@click.command("systemd-unit", context_settings=PASSED_ON, options_metavar="[OPTIONS OF up]")
@ARGUMENTS
@click.pass_context
def systemd_unit(ctx: click.Context, arguments: Sequence[str]) -> int:
    """Print a systemd user unit that runs `up` for this project.

    It takes the options of `up`. The unit has absolute paths, and those variables of Compose and docker that are set
    and hold no secrets. Its first lines show how to install it.

    \b
    composectl systemd-unit --balance echo=10 > ~/.config/systemd/user/composectl-shop.service
    systemctl --user enable --now composectl-shop
    """
    from composectl.compose.argv import parse_scales
    from composectl.compose.grace_period import longest_stop
    from composectl.config.settings import settings_of
    from composectl.config.up import load_up_config
    from composectl.daemon.preflight import ports_of
    from composectl.daemon.routing import make_routing

    invocation: Invocation = ctx.obj
    typed = up.make_context("up", list(arguments), parent=ctx.parent).params
    flags = settings_of("up", typed)
    if typed["detach"]:
        raise errors.UsageError(
            "`-d` cannot be combined with `systemd-unit`: systemd runs the unit in the background", "omit `-d`"
        )
    if "-" in invocation.options.files:
        raise errors.not_in_a_unit("a compose file on stdin")
    asked = load_up_config(invocation, parse_scales(typed["balance"]), flags, typed["arguments"])
    if asked is None or not (typed["balance"] or asked[1].project.x_balance):
        raise errors.UsageError(
            "missing option `--balance`",
            "for example: `composectl systemd-unit --balance echo=10`, or `x-balance: 10` in the compose file",
        )
    config, loaded = asked
    ports = {name: ports_of(loaded.project, name, service) for name, service in config.services.items()}
    make_routing(ports, config.services)
    before = invocation.options.absolute(invocation.cwd).argv()
    for option, value in (("--host", invocation.host), ("--context", invocation.context)):
        before += (option, value) if value else ()
    script = Path(sys.argv[0]).absolute()
    is_installed = script.name == "composectl" and os.access(script, os.X_OK)
    program = (str(script),) if is_installed else (sys.executable, "-P", "-m", "composectl")
    unit = unit_text(
        project=loaded.client.name_of(loaded.project),
        directory=invocation.cwd,
        argv=(*program, *before, "up", *arguments),
        environment={name: invocation.environ[name] for name in sorted(_KEPT & invocation.environ.keys())},
        drain=max(service.balancing.drain_timeout for service in config.services.values()),
        grace=longest_stop(loaded.project),
        typed=("composectl", *before, "systemd-unit", *arguments),
    )
    sys.stdout.write(unit)
    return 0


def unit_text(
    *,
    project: str,
    directory: Path,
    argv: Sequence[str],
    environment: Mapping[str, str],
    drain: int,
    grace: float,
    typed: Sequence[str],
) -> str:
    """The unit that runs `argv`, whose first word is an absolute path. Raises `not_in_a_unit` for what it cannot hold.

    `typed` is the command that made the unit; `drain`: the seconds that requests in flight may take at the end;
    `grace`: those that Compose may take then to stop the containers.
    """
    if not _PROJECT.fullmatch(project):
        raise errors.not_in_a_unit(repr(project))
    for word in (str(directory), *argv, *typed, *environment, *environment.values()):
        if not word.isprintable():
            raise errors.not_in_a_unit(repr(word))
        if errors.hide_password(word) != word:
            raise errors.password_in_a_unit(errors.hide_password(word))
    # systemd refuses a program with quotes in its path; behind the `:` of ExecStart `$` means nothing to it
    safe = ("/usr/bin/env", *argv) if {*argv[0]} & {*"\"'\\"} else argv
    return _UNIT.format(
        install=shlex.join(typed),
        name=f"composectl-{project}",
        project=project,
        directory=_folder(str(directory)),
        environment="".join(f"Environment={_word('='.join(item))}\n" for item in environment.items()),
        command=" ".join(map(_word, safe)),
        stop_seconds=drain + math.ceil(grace) + _LAST_WORDS_SECONDS,
    )


# Private


def _folder(path: str) -> str:
    """Without quotes; a last sign that systemd would drop, or join with the next line, is no last one."""
    last = "/" if path.endswith((" ", "\\")) else ""
    return f"{path.replace('%', '%%')}{last}"


def _word(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{quoted}"'
