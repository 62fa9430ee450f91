"""How the tasks of a service fare that may not be well, as a swarm tells of those that run, wait and have ended."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from composectl.balance.waiting import Condition
from composectl.engine.conditions import ready_seconds
from composectl.engine.swarm import RUNNING, SwarmService, SwarmTask, task_name

_RECENT = 120.0  # seconds for which the end of a task counts
_EXIT = re.compile(r"^task: non-zero exit \(\d+\)(?:: )?|dockerexec: ")


@dataclass(frozen=True, slots=True)
class TaskCondition:
    """A condition, and the task of which the last lines tell why; "" where none has printed anything."""

    condition: Condition
    printed_by: str

    @property
    def is_trouble(self) -> bool:
        """Whether more is known than that it starts, or has done its work."""
        found = self.condition
        return bool(found.exit_code or found.restarts or (found.error and found.state != "starting"))

    def with_lines(self, lines: Sequence[str]) -> Condition:
        return replace(self.condition, last_lines=tuple(lines))


def is_settled(service: SwarmService, running: Collection[SwarmTask]) -> bool:
    """Whether the tasks that are to run, all of the service that there are, do run."""
    is_short = service.replicas is not None and len(running) < service.replicas
    return not is_short and all(task.state == RUNNING for task in running)


def task_conditions(
    service: str, in_swarm: SwarmService, tasks: Iterable[SwarmTask], well: Collection[str], now: float
) -> list[TaskCondition]:
    """Of each slot of a service whose task is not in `well`: how that fares, and how those before it have ended.

    `tasks`: also those that have ended. `now`: epoch seconds.
    """
    slots: dict[tuple[int, str], list[SwarmTask]] = {}
    for task in sorted(tasks, key=lambda task: task.created, reverse=True):
        slots.setdefault((task.slot, "" if task.slot else task.node_id), []).append(task)
    conditions = (_condition(service, in_swarm, found, well, now) for found in slots.values())
    return [found for found in conditions if found is not None]


def error_of(task: SwarmTask) -> str:
    """Why it could not start, or ended, in Docker's words; without the exit code, which is told beside them."""
    return _EXIT.sub("", task.error)


def service_ready_seconds(service: SwarmService) -> float:
    """As `ready_seconds`, for what the service says itself of the HEALTHCHECK."""
    container = (service.spec.get("TaskTemplate") or {}).get("ContainerSpec") or {}
    return ready_seconds({"Config": container})


# Private


def _condition(
    service: str, in_swarm: SwarmService, newest_first: Sequence[SwarmTask], well: Collection[str], now: float
) -> TaskCondition | None:
    wanted = next((task for task in newest_first if task.is_wanted), None)
    failed = [task for task in newest_first if task.has_failed and _age(task, now) < _RECENT]
    if (wanted is not None and wanted.id in well) or (wanted is None and not failed):
        return None
    task = wanted or failed[0]
    ended = failed[0] if failed else None
    condition = Condition(
        id=task.id,
        service=service,
        number=task.slot,
        name=task_name(in_swarm.name, task),
        state=_state(task, ended),
        exit_code=ended.exit_code if ended else None,
        restarts=len(failed) if wanted else len(failed) - 1,
        error=error_of(task) or (error_of(ended) if ended else "") or _waits_for(task),
    )
    return TaskCondition(condition, next((found.id for found in (ended, task) if found and found.container_id), ""))


def _state(task: SwarmTask, ended: SwarmTask | None) -> str:
    """Docker's word, but not `ready`, which is a task that waits for the moment of its start."""
    if ended is not None and task.is_wanted and task.state != RUNNING:
        return "restarting"
    return "prepared" if task.state == "ready" else task.state


def _waits_for(task: SwarmTask) -> str:
    check = (task.spec.get("ContainerSpec") or {}).get("Healthcheck") or {}
    return "its HEALTHCHECK has not passed" if task.state == "starting" and check.get("Test") else ""


def _age(task: SwarmTask, now: float) -> float:
    """Seconds since it ended; Docker writes nanoseconds."""
    return now - datetime.fromisoformat(task.changed).timestamp()
