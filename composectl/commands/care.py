"""With how much care a rollout goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from composectl.commands.durations import parse_duration
from composectl.commands.limiting import number


@dataclass(frozen=True, slots=True)
class Care:
    """`parallel`: so many new replicas at a time. `pause_seconds`: how long they are watched before old ones leave.

    `ready_seconds`: how long they may take to be ready.
    """

    parallel: int = 1
    pause_seconds: float = 5.0
    ready_seconds: float = 60.0


def make_care(given: Mapping[str, Any]) -> Care:
    """The care behind the options as the command line gives them. Raises ComposectlError."""
    return Care(
        number(given, "parallel") or Care().parallel,
        _seconds(given, "pause", Care().pause_seconds),
        _seconds(given, "ready_timeout", Care().ready_seconds),
    )


# Private


def _seconds(given: Mapping[str, Any], option: str, default: float) -> float:
    text = given[option]
    return default if text is None else parse_duration("--" + option.replace("_", "-"), text)
