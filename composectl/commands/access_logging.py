"""The access log, as it was asked for, and opened."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from composectl import errors
from composectl.proxy.access_line import COMBINED, FORMATS, REFERER, USER_AGENT, Lines, LineStyle
from composectl.proxy.access_log import AccessLog
from composectl.proxy.access_sink import STDOUT, Sink
from composectl.proxy.access_writer import AccessWriter

_OPTION = "access_log"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")


@dataclass(frozen=True, slots=True)
class LogWish:
    """`path` is absolute, or `-` for stdout."""

    path: str
    style: LineStyle


def log_wish(given: Mapping[str, Any], cwd: Path) -> LogWish | None:
    """What the options of the command line ask for; None for no log. Raises ComposectlError."""
    path = given[_OPTION]
    if path is None:
        _check_nothing_else(given)
        return None
    if path == STDOUT and given["detach"]:
        raise errors.log_in_background()
    style = LineStyle(_format(given), given["access_log_query"], _headers(given["access_log_header"]))
    _check_fits(style)
    return LogWish(STDOUT if path == STDOUT else str(cwd / path), style)


def open_log(wish: LogWish | None) -> AccessLog | None:
    """A log that can be written to. Raises `log_not_opened`."""
    if wish is None:
        return None
    try:
        sink = Sink(wish.path)
    except OSError as error:
        raise errors.log_not_opened(wish.path, error.strerror or str(error)) from None
    lines, headers = Lines(wish.style), frozenset(wish.style.headers)
    return AccessLog(AccessWriter(sink), lines.of, headers, on_stdout=wish.path == STDOUT)


# Private


def _check_nothing_else(given: Mapping[str, Any]) -> None:
    for option, value in given.items():
        if option.startswith(f"{_OPTION}_") and value:
            raise errors.needs_access_log("--" + option.replace("_", "-"))


def _format(given: Mapping[str, Any]) -> str:
    name: str = given["access_log_format"] or COMBINED
    if name not in FORMATS:
        raise errors.unknown_log_format(name, FORMATS)
    return name


def _headers(names: Sequence[str]) -> tuple[bytes, ...]:
    for name in names:
        if not _TOKEN.fullmatch(name):
            raise errors.bad_header_name(name)
    return tuple(dict.fromkeys(name.lower().encode() for name in names))


def _check_fits(style: LineStyle) -> None:
    for name in style.headers:
        if style.format == COMBINED and name not in (REFERER, USER_AGENT):
            raise errors.header_needs_json(name.decode())
