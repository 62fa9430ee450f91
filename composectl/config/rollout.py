"""With how much care a rollout goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from composectl import errors
from composectl.config.values import number, parse_duration, parse_share


@dataclass(frozen=True, slots=True)
class RolloutConfig:
    """`parallel`: so many new replicas at a time. `monitor`: how long they are watched before old ones leave.

    `ready_timeout`: how long they may take to be ready. `canary`: the share of the requests at which one is held first.
    """

    parallel: int = 1
    monitor: float = 5.0
    ready_timeout: float = 60.0
    canary: float | None = None


def make_rollout_config(given: Mapping[str, Any]) -> RolloutConfig:
    """The care behind the options as the command line gives them. Raises ComposectlError."""
    return RolloutConfig(
        number(given, "parallel") or RolloutConfig().parallel,
        _seconds(given, "monitor", RolloutConfig().monitor),
        _seconds(given, "ready_timeout", RolloutConfig().ready_timeout),
        None if given["canary"] is None else parse_share("--canary", given["canary"]),
    )


def decides_canary(services: Sequence[str], given: Mapping[str, Any]) -> bool:
    """Whether it is said what becomes of a canary, and nothing else. Raises `bad_verdict`."""
    words = [name for name, value in given.items() if value]
    option = next((option for name, option in _VERDICTS.items() if given[name]), "")
    if option and (len(words) > 1 or len(services) > 1):
        raise errors.bad_verdict(option)
    return bool(option)


# Private


_VERDICTS = {"promote": "--promote", "abort": "--abort"}


def _seconds(given: Mapping[str, Any], option: str, default: float) -> float:
    text = given[option]
    return default if text is None else parse_duration("--" + option.replace("_", "-"), text)
