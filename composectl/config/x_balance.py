"""The key `x-balance` of a service: a number of replicas, or a mapping of options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from composectl import errors
from composectl.balance.plan import MAX_REPLICAS
from composectl.balance.replica_range import Scale, most_of
from composectl.compose.argv import check_scale
from composectl.config.option import FLAG, Option
from composectl.config.options import KEYS
from composectl.config.settings import Settings, absolute_paths
from composectl.config.values import Value, parse, schema_of
from composectl.sanitize import shorten

_REPLICAS = KEYS["replicas"]
_MAX_MESSAGE = 200


@dataclass(frozen=True, slots=True)
class XBalance:
    """`replicas` is None where the file names no number, and no range."""

    replicas: Scale | None = None
    settings: Settings = field(default_factory=dict)

    def relative_to(self, folder: Path) -> XBalance:
        """The same, where relative paths are those of this folder."""
        return replace(self, settings=absolute_paths(self.settings, folder))


def parse_x_balance(service: str, value: object) -> XBalance:
    """What stands under the service's `x-balance`, all scalars texts. Raises ComposectlError."""
    try:
        settings = _settings(value)
        replicas = settings.pop(_REPLICAS, None)
        if replicas is not None:
            check_scale(service, most_of(replicas))
        check_combinations(settings, lambda row: f"{row.key}:")
    except errors.ComposectlError as error:
        raise errors.ComposectlError(
            f"`x-balance` of service `{shorten(service)}`: {shorten(error.message, _MAX_MESSAGE)}", error.hint
        ) from error
    return XBalance(replicas, settings)


def check_combinations(settings: Settings, spell: Callable[[Option], str]) -> None:
    """Raise UsageError for options that exclude each other; `spell`: how the user writes one."""
    slow_start, policy = KEYS["slow_start"], KEYS["policy"]
    if slow_start in settings and settings.get(policy) == "source":
        raise errors.UsageError(
            f"`{spell(slow_start)}` cannot be combined with `{spell(policy)} source`: "
            "a client would not stay with its backend",
            "omit one of the two",
        )
    path, grpc = KEYS["health_check_path"], KEYS["health_check_grpc"]
    if settings.get(path) and settings.get(grpc):
        raise errors.UsageError(
            f"`{spell(grpc)}` cannot be combined with `{spell(path)}`: a backend is checked in one way",
            "omit one of the two",
        )


def flag_of(row: Option) -> str:
    """How a command line spells an option."""
    return row.flag


def schema() -> dict[str, Any]:
    """The JSON Schema of a compose file, of which `x-balance` alone is looked at."""
    services = {"type": ["object", "null"], "properties": {"x-balance": {"$ref": "#/$defs/x-balance"}}}
    replicas = _schema_of(_REPLICAS)["oneOf"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "x-balance of composectl",
        "description": "A compose file, of which only `x-balance` of its services is looked at.",
        "type": "object",
        "properties": {"services": {"type": "object", "additionalProperties": services}},
        "$defs": {
            "x-balance": {
                "description": "How many replicas run behind the service's port, and how they are balanced.",
                "oneOf": [*replicas, {"$ref": "#/$defs/mapping"}],
            },
            "mapping": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    key: {"description": row.key_help or row.help.replace("; repeat it", ""), **_schema_of(row)}
                    for key, row in KEYS.items()
                },
            },
        },
    }


# Private


def _settings(value: object) -> dict[Option, Any]:
    if isinstance(value, Mapping):
        for key in value:
            if key not in KEYS:
                raise errors.ComposectlError(f"no key `{key}`", errors.did_you_mean(key, "keys", sorted(KEYS)))
        return {KEYS[key]: _parse(KEYS[key], setting) for key, setting in value.items()}
    try:
        return {_REPLICAS: _parse(_REPLICAS, value)}
    except errors.ComposectlError:
        raise errors.ComposectlError(
            f"invalid value `{shorten(str(value))}`: expected a number of replicas or a mapping",
            "for example: `x-balance: 10`, or `x-balance: {replicas: 10, policy: p2c}`",
        ) from None


def _parse(row: Option, value: object) -> Any:
    if isinstance(value, Mapping) and _item_of(row):
        value = [f"{key}={scalar}" if isinstance(scalar, str) else scalar for key, scalar in value.items()]
    if row.repeats:
        each = [_parse_scalar(row, scalar) for scalar in (value if isinstance(value, list) else [value])]
        return row.collect(each, f"{row.key}:")
    return _parse_scalar(row, value)


def _parse_scalar(row: Option, value: object) -> Any:
    if not isinstance(value, str) or not value:
        raise errors.ComposectlError(f"`{row.key}:` takes a single value", f"for example: `{row.key}: ...`")
    if row.kind is not FLAG:
        return parse(row.kind, value, f"{row.key}:")
    if value not in ("true", "false"):
        raise errors.invalid_value(value, f"{row.key}:", "true or false", ["true"])
    return value == "true"


def _item_of(row: Option) -> dict[str, Any] | None:
    """The JSON Schema of an item, where the key may be a mapping."""
    return row.kind.item if isinstance(row.kind, Value) else None


def _schema_of(row: Option) -> dict[str, Any]:
    if row is _REPLICAS:
        number, text = schema_of(row.kind)["oneOf"]
        return {"oneOf": [{**number, "maximum": MAX_REPLICAS}, text]}
    single = {"enum": [True, False, "true", "false"]} if row.kind is FLAG else schema_of(row.kind)
    if not row.repeats:
        return single
    several: list[dict[str, Any]] = [{"type": "array", "items": single}]
    if item := _item_of(row):
        keys = {"pattern": row.kind.keys if isinstance(row.kind, Value) else ""}
        several.append({"type": "object", "propertyNames": keys, "additionalProperties": item})
    return {"oneOf": [single, *several]}
