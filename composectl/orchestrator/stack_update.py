"""How a service of a swarm is updated step by step: specifications as the managers take them; pure.

An update that waits a day after its first step takes no other. One with another delay is a new update, which takes the
next step, as what is new already stays. docs/internals/swarm.md has what was measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from composectl.orchestrator.base import UpdateStep

Spec = Mapping[str, Any]
_DAY = 24 * 3600 * 10**9  # nanoseconds
_DELAY_IN_A_FILE = "24h"


def with_replicas(spec: Spec, count: int) -> Spec:
    """The specification of so many tasks."""
    return {**spec, "Mode": {"Replicated": {"Replicas": count}}}


def with_first_step(document: Mapping[str, Any], service: str, step: UpdateStep) -> dict[str, Any]:
    """The stack in which an update of the service takes one step."""
    found = document["services"][service]
    config = {
        "parallelism": step.parallel,
        "delay": _DELAY_IN_A_FILE,
        "failure_action": "pause",
        "order": _order(step),
    }
    deploy = {**(found.get("deploy") or {}), "update_config": config}
    return {**document, "services": {**document["services"], service: {**found, "deploy": deploy}}}


def with_next_step(spec: Spec, step: UpdateStep) -> Spec:
    """The specification by which an update takes one step more; its delay is another than that of the last one."""
    delay = int((spec.get("UpdateConfig") or {}).get("Delay") or 0)
    return _with_update(spec, step, delay + 1 if delay >= _DAY else _DAY, "pause")


def forced(spec: Spec) -> Spec:
    """The specification that has all tasks made anew, as by `docker service update --force`."""
    template = spec["TaskTemplate"]
    return {**spec, "TaskTemplate": {**template, "ForceUpdate": int(template.get("ForceUpdate") or 0) + 1}}


def reverting(before: Spec, now: Spec, step: UpdateStep) -> Spec:
    """The specification from before an update, with as many tasks as `now`; Swarm goes on to its end by itself."""
    return _with_update(restored(before, now), step, 0, "continue")


def restored(before: Spec, now: Spec) -> Spec:
    """The specification from before an update, with as many tasks as `now`."""
    return {**before, "Mode": now["Mode"]}


# Private


def _with_update(spec: Spec, step: UpdateStep, delay: int, failure_action: str) -> Spec:
    config = {"Parallelism": step.parallel, "Delay": delay, "FailureAction": failure_action, "Order": _order(step)}
    return {**spec, "UpdateConfig": config}


def _order(step: UpdateStep) -> str:
    return "stop-first" if step.stop_first else "start-first"
