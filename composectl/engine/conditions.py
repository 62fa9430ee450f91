"""How containers fare that may not be well, as the Docker Engine API describes them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from composectl.balance.waiting import RUNNING, Condition
from composectl.engine.containers import labels_of, name_of, number_of, service_of
from composectl.engine.listening import Listening
from composectl.sanitize import sanitize, sanitize_lines

_Json = Mapping[str, Any]
_STOPPED = (0, 130, 137, 143)  # exit codes of a container that did its work, or was stopped
_SECOND = 1e9  # in nanoseconds
_INTERVAL, _TIMEOUT, _RETRIES = 30.0, 30.0, 3  # what Docker takes where a HEALTHCHECK says nothing
READY_SECONDS = 60.0
_NEWS = re.compile(r"^Up (Less than|[0-9] second)|\(unhealthy\)")
_LONGEST_OUTPUT = 2000


def ready_seconds(inspect: _Json) -> float:
    """For how long its HEALTHCHECK may fail before it is unhealthy, in seconds; 60 without one.

    That is `start_period` + `retries` x (`interval` + `timeout`), be they of the image or of the compose file.
    """
    check = inspect["Config"].get("Healthcheck") or {}
    if (check.get("Test") or ["NONE"])[0] == "NONE":
        return READY_SECONDS
    interval = check.get("Interval", 0) / _SECOND or _INTERVAL
    timeout = check.get("Timeout", 0) / _SECOND or _TIMEOUT
    retries: int = check.get("Retries") or _RETRIES
    return float(check.get("StartPeriod", 0) / _SECOND + retries * (interval + timeout))


def may_ail(listed: _Json) -> bool:
    """Whether an item of GET /containers/json is worth a closer look."""
    return listed.get("State") != RUNNING or _NEWS.search(str(listed.get("Status"))) is not None


def parse_condition(inspect: _Json, last_lines: Sequence[str] = (), found: Listening | None = None) -> Condition:
    """The condition in an answer of GET /containers/{id}/json, with the end of its log and its listeners."""
    state, labels = inspect["State"], labels_of(inspect)
    health = state.get("Health") or {}
    checks = health.get("Log") or ()
    has_ended = state["Status"] != RUNNING and state["Status"] not in ("created", "paused")
    error = "killed for lack of memory" if state.get("OOMKilled") and has_ended else sanitize(state.get("Error") or "")
    return Condition(
        id=inspect["Id"],
        service=service_of(labels),
        number=number_of(labels),
        name=name_of(inspect),
        state=state["Status"],
        exit_code=state["ExitCode"] if has_ended else None,
        restarts=inspect.get("RestartCount") or 0,
        error=error,
        health=_status(health),
        health_failures=max(health.get("FailingStreak") or 0, _failures(checks)),
        health_output=sanitize_lines(str(checks[-1].get("Output") or "").strip()[-_LONGEST_OUTPUT:]) if checks else "",
        last_lines=tuple(last_lines),
        listening=found,
    )


def ails(condition: Condition) -> bool:
    """Whether a container has crashed, perhaps before this run, or is not healthy; one that was stopped has not."""
    match condition.state:
        case "exited" | "dead":
            return condition.exit_code not in _STOPPED or bool(condition.error)
        case "restarting":
            return True
        case "created":
            return bool(condition.error)
    return condition.health == "unhealthy" or condition.restarts > 0


# Private


def _failures(checks: Sequence[_Json]) -> int:
    """How many of the last checks have failed in a row: during the start period Docker's own streak is 0."""
    passed = [at for at, check in enumerate(checks, 1) if check.get("ExitCode") == 0]
    return len(checks) - max(passed, default=0)


def _status(health: _Json) -> str:
    status = str(health.get("Status") or "")
    return "" if status == "none" else status
