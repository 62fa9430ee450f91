"""What Compose complains of, in one line, and what is known to help."""

from __future__ import annotations

import re

_WARNING = re.compile(r"time=.* level=(warning|info)|WARN|The \S+ variable is not set\. ")
# ` Container shop-echo-1  Started` is v2's, `Creating shop_echo_1 ... done` docker-compose 1.29's.
_PROGRESS = re.compile(r" \S|[A-Z]\S+ing (and removing )?\S+ +\.\.\.")

_HINTS = (
    (
        re.compile(r"^validating .*: +(\(root\) )?additional propert", re.IGNORECASE),
        "the 2016 file format is read by docker-compose 1.29 only: put the services under a `services:` key",
    ),
    (
        re.compile(r"'name' does not match any of the regexes"),
        "docker-compose 1.29 knows no top-level `name:`: take it out and give it with `-p`, or use Compose v2",
    ),
    (
        re.compile(r"Unsupported config option for .*'x-"),
        'docker-compose 1 takes `x-` keys of a service under `services:` only, from `version: "3.7"` or "2.4" on',
    ),
    (
        re.compile(r"no configuration file provided|suitable configuration file", re.IGNORECASE),
        "`-f` names the compose file",
    ),
)

_ELSE = "`composectl config` shows all that Compose says of it"


def one_line(stderr: str) -> str:
    """The error in what Compose wrote to stderr, without warnings, progress, advice and traceback; "" where none is."""
    told = (line for line in stderr.splitlines() if not _WARNING.match(line) and not _PROGRESS.match(line))
    lines = [line.strip() for line in told]
    if "Traceback (most recent call last):" in lines:
        lines = [line for line in lines if line][-1:]
    first_paragraph = "\n".join(lines).strip().partition("\n\n")[0]
    return " ".join(first_paragraph.split()).lstrip(".").removeprefix("ERROR: ")


def hint_for(words: str) -> str:
    """What to do about it."""
    return next((hint for pattern, hint in _HINTS if pattern.search(words)), _ELSE)
