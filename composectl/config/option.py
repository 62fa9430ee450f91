"""A row of the table of options, and the flag that click makes of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import click

from composectl import errors
from composectl.config import values as kinds
from composectl.config.completion import completed
from composectl.config.values import Value, parse

FLAG = click.BOOL
"""The kind of an option without a value: it turns its default round."""


class Scope(StrEnum):
    """What an option is for: the daemon, one service, or one port of it."""

    DAEMON = "daemon"
    SERVICE = "service"
    PORT = "port"


@dataclasses.dataclass(frozen=True, eq=False)
class Option:
    """A row of the table.

    `of`: the dataclass and the field that it sets, where its default stands; a dataclass alone has a field of its name,
    and None is for an option that the command takes by name.
    `default`: in words, where the field has None. `alone`: the value of the flag without one. `commands`: those that
    have it as a flag. `needs_http`: it works on requests, not on connections; `needs_connections`: the other way round.
    `guards`: no connection may pass by it.
    `requires`: another option without which it means nothing. `key_help`: where the key is not helped by `help`.
    """

    name: str
    kind: click.ParamType[Any]
    help: str
    of: type | tuple[type, str] | None = None
    scope: Scope = Scope.SERVICE
    commands: tuple[str, ...] = ("up", "proxy")
    default: str = "none"
    alone: str = ""
    needs_http: bool = False
    needs_connections: bool = False
    guards: bool = False
    requires: str = ""
    short: str = ""
    complete: str = ""
    key_help: str = ""

    @property
    def target(self) -> tuple[type, str] | None:
        """The dataclass and the name of the field that it sets."""
        return (self.of, self.name.replace("-", "_")) if isinstance(self.of, type) else self.of

    @property
    def initial(self) -> Any:
        """The value without the option."""
        if self.target is None:
            return None
        cls, name = self.target
        field = next(field for field in dataclasses.fields(cls) if field.name == name)
        return None if field.default is dataclasses.MISSING else field.default

    @property
    def repeats(self) -> bool:
        """Whether it takes several values: its field is a collection."""
        return isinstance(self.initial, tuple | frozenset)

    @property
    def flag(self) -> str:
        return f"--no-{self.name}" if self.initial is True else f"--{self.name}"

    @property
    def parameter(self) -> str:
        """What click calls it."""
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def key(self) -> str:
        """The key of `x-balance`; empty where there is none."""
        is_key = self.scope is not Scope.DAEMON and (not self.commands or "up" in self.commands)
        return self.name.replace("-", "_") if is_key else ""

    @property
    def default_text(self) -> str:
        """The default, for people; empty for a flag."""
        if self.kind is FLAG:
            return ""
        if self.initial in (None, "", (), frozenset()):
            return self.default
        shown = [self.initial] if not isinstance(self.initial, tuple) else self.initial
        return ", ".join(map(self.kind.show if isinstance(self.kind, Value) else str, shown))

    @property
    def metavar(self) -> str:
        name = "NAME" if isinstance(self.kind, click.Choice) else self.kind.name
        return f"[{name}]" if self.alone else name

    def collect(self, parsed: list[Any], name: str) -> Any:
        """Several values, as the field has them. Raises ComposectlError for an address that is there twice."""
        if self.kind is kinds.FILE:
            return tuple(parsed)  # a key may be that of several certificates
        unique = dict.fromkeys(parsed)
        if len(unique) < len(parsed) and self.kind in (kinds.LISTENER, kinds.BACKEND):
            text = str(next(value for value in unique if parsed.count(value) > 1))
            raise errors.UsageError(f"duplicate `{name} {text}`", "omit one of the two")
        if self.kind is kinds.PROTOCOL and len({value.port for value in unique}) < len(unique):
            raise errors.UsageError(f"`{name}` gives one port two protocols", "omit one of the two")
        is_field = self.kind in (kinds.REQUEST_FIELD, kinds.RESPONSE_FIELD)
        if is_field and len({value.name.lower() for value in unique}) < len(unique):
            raise errors.UsageError(f"`{name}` gives one header two values", "omit one of the two")
        return frozenset(unique) if isinstance(self.initial, frozenset) else tuple(unique)


class Flag(click.Option):
    """Parses what is typed as its row says."""

    def __init__(self, _: Sequence[str], row: Option) -> None:
        self.row = row
        attributes: dict[str, Any] = {"is_flag": True}
        if row.kind is not FLAG:
            attributes = {"type": row.kind, "multiple": row.repeats, "metavar": row.metavar}
        if row.alone:
            attributes |= {"is_flag": False, "flag_value": row.alone}
        if row.complete:
            attributes["shell_complete"] = completed(row.complete)
        text = f"{row.help}  [default: {row.default_text}]" if row.default_text else row.help
        super().__init__([*filter(None, (row.short, row.flag)), row.parameter], help=text, **attributes)

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        if self.row.kind is FLAG:
            return (not self.row.initial) if value else None
        if value is None or not self.row.repeats:
            return None if value is None else parse(self.row.kind, value, self.row.flag)
        parsed = [parse(self.row.kind, text, self.row.flag) for text in value]
        return self.row.collect(parsed, self.row.flag) if parsed else ()
