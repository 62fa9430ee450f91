"""From the values that a command line, or a file, gives to the dataclasses that hold them, and back to words."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from composectl import errors
from composectl.config import values as kinds
from composectl.config.daemon import STDOUT, AccessLogConfig, DaemonConfig
from composectl.config.option import Option
from composectl.config.options import OPTIONS
from composectl.proxy.access_log_format import COMBINED, REFERER, USER_AGENT
from composectl.proxy.backend_tls import INSECURE, VERIFY

_T = TypeVar("_T")
_Daemon = TypeVar("_Daemon", bound=DaemonConfig)
Settings = Mapping[Option, Any]
"""The values that a command line, or a file, gives; without the defaults."""


def settings_of(command: str, typed: Mapping[str, Any]) -> Settings:
    """The settings among the values that click has parsed. Raises ComposectlError where an option lacks another."""
    rows = {row.parameter: row for row in OPTIONS if command in row.commands}
    settings = {row: typed[name] for name, row in rows.items() if typed[name] not in (None, ())}
    names = {row.name for row in settings}
    for row in settings:
        if row.requires and row.requires not in names:
            other = f"--{row.requires}"
            raise errors.UsageError(f"`{row.flag}` requires `{other}`", f"add `{other}`, or omit `{row.flag}`")
    return absolute_paths(settings, Path.cwd())


def absolute_paths(settings: Settings, folder: Path) -> Settings:
    """The same settings, with the paths of files that are relative to this folder."""
    absolute = dict(settings)
    for row, value in settings.items():
        if row.kind is kinds.FILE:
            absolute[row] = _in_folder(folder, value)
        elif row.kind is kinds.BACKEND_TLS:
            absolute[row] = VERIFY if value == "true" else value if value in (VERIFY, INSECURE) else str(folder / value)
    return absolute


def build(cls: type[_T], *layers: Settings, **fields: Any) -> _T:
    """The dataclass, with these `fields`; each other one is of the first layer that has it, or the default."""
    values = {row.target: value for layer in reversed(layers) for row, value in layer.items()}
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        found = [values[owner, field.name] for owner in cls.__mro__ if (owner, field.name) in values]
        if field.name not in fields and dataclasses.is_dataclass(field.default_factory):
            fields[field.name] = build(field.default_factory, *layers)
        elif field.name not in fields and found:
            fields[field.name] = found[0]
    return cls(**fields)


def build_daemon(cls: type[_Daemon], flags: Settings, **fields: Any) -> _Daemon:
    """What a daemon was asked for. Raises ComposectlError for options that do not go together."""
    has_log = any(row.name == "access-log" for row in flags)
    log = build(AccessLogConfig, flags) if has_log else None
    config = build(cls, flags, access_log=log, **fields)
    if log and log.path == STDOUT and config.detach:
        raise errors.UsageError(
            "`--access-log -` cannot be combined with `-d`: a background process has no stdout", "name a file instead"
        )
    if log and config.asks_for_passwords and b"authorization" in log.style.headers:
        raise errors.UsageError(
            "`--access-log-header authorization` cannot be combined with `--basic-auth`: it holds passwords",
            "omit one of the two",
        )
    if config.workers > 1 and sys.platform != "linux":
        raise errors.UsageError("`--workers` requires Linux", "omit it: one process serves then")
    for name in log.style.headers if log and log.style.format == COMBINED else ():
        if name not in (REFERER, USER_AGENT):
            raise errors.UsageError(
                f"the format `combined` cannot log the header `{name.decode()}`: it holds Referer and User-Agent only",
                "use `--access-log-format json`",
            )
    return config


def texts_of(config: Any) -> dict[str, str]:
    """The inverse of `build`: the value of each option, by its name, in a dataclass and in those that it holds."""
    texts: dict[str, str] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            texts |= texts_of(value)
        targets = [(cls, field.name) for cls in type(config).__mro__]
        texts |= {row.name: _text(value) for row in OPTIONS if row.target in targets}
    return texts


# Private


def _in_folder(folder: Path, value: Any) -> Any:
    return tuple(str(folder / path) for path in value) if isinstance(value, tuple) else str(folder / value)


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bytes():
            return value.decode()
        case tuple() | frozenset():
            return ", ".join(sorted(map(_text, value)))
    return str(value)
