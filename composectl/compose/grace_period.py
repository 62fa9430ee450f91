"""How long Compose may take to stop a project: its stop grace periods, one after the other along its dependencies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from composectl.compose.project import Project

_DEFAULT = 10.0  # of Docker
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(h|ms|m|s|us|µs|ns)")


def parse_duration(text: str) -> float:
    """The seconds of a duration as `config` prints it: `1m30s`, `500ms`. Raises ValueError for anything else."""
    parts = _PART.findall(text)
    if "".join(number + unit for number, unit in parts) != text or not parts:
        raise ValueError(text)
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def longest_stop(project: Project) -> float:
    """The seconds that Compose may take to stop all services: each one is stopped before those it depends on."""
    services: Mapping[str, Mapping[str, Any]] = project.document.get("services") or {}
    known: dict[str, float] = {}

    def stop(name: str) -> float:
        if name not in known:
            known[name] = 0.0  # where services depend on each other
            needed = [stop(other) for other in services[name].get("depends_on") or () if other in services]
            known[name] = _grace_period(services[name]) + max(needed, default=0.0)
        return known[name]

    return max(map(stop, services), default=_DEFAULT)


# Private


def _grace_period(service: Mapping[str, Any]) -> float:
    try:
        return parse_duration(str(service["stop_grace_period"]))
    except (KeyError, ValueError):
        return _DEFAULT
