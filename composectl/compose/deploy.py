"""What the definition of a service says of how its replicas are replaced and stopped."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from composectl.compose.grace_period import parse_duration
from composectl.compose.override import definition_in
from composectl.compose.update_config import UpdateConfig


@dataclass(frozen=True, slots=True)
class Hook:
    """A command to run in a container; "" for what the container has itself."""

    command: tuple[str, ...]
    user: str = ""
    privileged: bool = False
    working_dir: str = ""
    environment: tuple[str, ...] = ()  # NAME=VALUE


def update_config(rendered: bytes, service: str) -> UpdateConfig:
    """What the rendered project says of updates of the service."""
    found = (definition_in(rendered, service).get("deploy") or {}).get("update_config") or {}
    parallelism = found.get("parallelism")
    return UpdateConfig(
        None if parallelism is None else int(parallelism),
        _seconds(found.get("delay")) or 0.0,
        _seconds(found.get("monitor")),
        found.get("order") == "stop-first",
        found.get("failure_action"),
    )


def pre_stop_hooks(rendered: bytes, service: str) -> tuple[Hook, ...]:
    """What the rendered project runs in each container of the service before that is stopped."""
    return tuple(map(_hook, definition_in(rendered, service).get("pre_stop") or ()))


# Private


def _seconds(text: object) -> float | None:
    with suppress(ValueError):
        return None if text is None else parse_duration(str(text))
    return None


def _hook(found: Mapping[str, Any]) -> Hook:
    """`config` doubles each `$`."""
    command, environment = found.get("command") or (), found.get("environment") or ()
    words = shlex.split(command) if isinstance(command, str) else map(str, command)
    if isinstance(environment, Mapping):
        environment = [f"{name}={value}" for name, value in environment.items() if value is not None]
    return Hook(
        tuple(map(_plain, words)),
        str(found.get("user") or ""),
        bool(found.get("privileged")),
        str(found.get("working_dir") or ""),
        tuple(_plain(str(entry)) for entry in environment),
    )


def _plain(text: str) -> str:
    return text.replace("$$", "$")
