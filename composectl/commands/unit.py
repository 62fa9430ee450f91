"""The text of a systemd user unit that runs composectl (systemd.service(5), systemd.syntax(7)): pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from composectl import errors

_PLAIN = re.compile(r"[-\w@:,./+=]+", re.ASCII)
_REFUSED = frozenset("\"'\\")
_COMPOSE_STOPS_SECONDS = 60  # what Compose may take once the requests in flight are over

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


@dataclass(frozen=True, slots=True)
class Unit:
    """What is run where: `argv` begins with an absolute path; `typed` is the command that asked for the unit.

    `drain`: the seconds that requests in flight may take at the end.
    """

    project: str
    directory: Path
    argv: Sequence[str]
    environment: Mapping[str, str]
    drain: int
    typed: Sequence[str]

    def text(self) -> str:
        """The file. Raises `not_in_a_unit` for what it cannot hold."""
        for word in (str(self.directory), *self.argv, *self.environment.values()):
            if not word.isprintable():
                raise errors.not_in_a_unit(repr(word))
        return _UNIT.format(
            install=shlex.join(self.typed),
            name=f"composectl-{self.project}",
            project=self.project,
            directory=_doubled(str(self.directory)),
            environment="".join(
                f"Environment={_word(f'{name}={value}')}\n" for name, value in self.environment.items()
            ),
            command=_words(self.argv),
            stop_seconds=self.drain + _COMPOSE_STOPS_SECONDS,
        )


# Private


def _words(argv: Sequence[str]) -> str:
    """Behind the `:` of ExecStart, after which `$` means nothing. A program with quotes in its path is refused."""
    safe = argv if not set(argv[0]) & _REFUSED else ("/usr/bin/env", *argv)
    return " ".join(map(_word, safe))


def _word(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_doubled(quoted)}"'


def _doubled(text: str) -> str:
    return text.replace("%", "%%")
