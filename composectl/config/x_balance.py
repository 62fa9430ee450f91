"""What `x-balance` of a service means: a number of replicas, or a mapping of what `up` can be told of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from composectl import errors
from composectl.compose.argv import check_scale
from composectl.config.service import balancing
from composectl.config.values import is_port, parse_listen

_TEXTS = (
    "policy",
    "health_check_path",
    "response_timeout",
    "idle_timeout",
    "slow_start",
    "queue_timeout",
    "queue_size",
    "max_request_body",
    "drain_timeout",
)
_LISTS = ("trusted_proxies", "allowed_host", "listen")
_TRUTHS = {"true": True, "false": False}
KEYS = frozenset(("replicas", "port", "backend_header", "request_id", "drop_udp", *_TEXTS, *_LISTS))
# As they are where nothing is said of them
DEFAULTS: Mapping[str, Any] = {
    **dict.fromkeys((*_TEXTS, "max_connections")),
    **dict.fromkeys(_LISTS, ()),
    "no_backend_header": False,
    "no_request_id": False,
    "drop_udp": False,
}
_COUNT = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class XBalance:
    """`replicas` and `port` are None where the file does not tell; `given`: the rest, as the command line would."""

    replicas: int | None = None
    port: int | None = None
    given: Mapping[str, Any] = field(default_factory=lambda: DEFAULTS)


def parse_x_balance(service: str, told: object) -> XBalance:
    """What stands under the service's `x-balance`, all scalars texts. Raises `bad_declaration`."""
    try:
        declared = _from_mapping(told) if isinstance(told, Mapping) else XBalance(_only_number(told))
        if declared.replicas is not None:
            check_scale(service, declared.replicas)
        balancing(declared.given, _as_key)
        for text in declared.given["listen"]:
            parse_listen(text, 0)
    except errors.ComposectlError as error:
        raise errors.bad_declaration(service, error) from error
    return declared


def merge(declared: Mapping[str, Any], typed: Mapping[str, Any]) -> dict[str, Any]:
    """The options with those that were typed in place of those that were declared."""
    said = {name: typed[name] for name, unsaid in DEFAULTS.items() if typed.get(name, unsaid) != unsaid}
    return {**DEFAULTS, **declared, **said}


# Private


def _as_key(option: str) -> str:
    return f"{option}:"


def _only_number(told: object) -> int:
    if not isinstance(told, str) or not _COUNT.fullmatch(told):
        raise errors.neither_number_nor_mapping(str(told))
    return int(told)


def _from_mapping(told: Mapping[str, object]) -> XBalance:
    for key in told:
        if key not in KEYS:
            raise errors.unknown_key(key, KEYS)
    given = {key: _value(key, value) for key, value in told.items()}
    replicas, port = given.pop("replicas", None), given.pop("port", None)
    given["no_backend_header"] = not given.pop("backend_header", True)
    given["no_request_id"] = not given.pop("request_id", True)
    return XBalance(replicas, port, {**DEFAULTS, **given})


def _value(key: str, value: object) -> Any:
    if key in _LISTS:
        return _texts(key, value)
    text = _text(key, value)
    match key:
        case "replicas":
            return _replicas(text)
        case "port":
            return _target(text)
        case "backend_header" | "request_id" | "drop_udp":
            return _truth(key, text)
    return text


def _text(key: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise errors.not_one_value(key)
    return value


def _texts(key: str, value: object) -> tuple[str, ...]:
    return tuple(_text(key, one) for one in (value if isinstance(value, list) else [value]))


def _replicas(text: str) -> int:
    if not _COUNT.fullmatch(text):
        raise errors.bad_number("replicas:", text, 0)
    return int(text)


def _target(text: str) -> int:
    if not is_port(text) or not int(text):
        raise errors.bad_target("port", text)
    return int(text)


def _truth(key: str, text: str) -> bool:
    if text not in _TRUTHS:
        raise errors.bad_truth(key, text)
    return _TRUTHS[text]
