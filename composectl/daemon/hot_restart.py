"""Hot restart: claims a project, or takes the lock and the listening sockets of the daemon that has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from composectl import errors
from composectl.balance.phase import Phase
from composectl.config.daemon import UpConfig
from composectl.control.client import find_project_daemon
from composectl.control.commands import DaemonInfo
from composectl.control.listener_fds import OldProcess
from composectl.control.lock import ProjectLock
from composectl.daemon.admin import ListeningSockets
from composectl.orchestrator.addressing import check_addressing


@dataclass(frozen=True, slots=True)
class ClaimedProject:
    """The lock; in a hot restart also the old process, its listening sockets, and its `published_host`.

    `served`: the services of which the old process has a ready backend; `asleep`: those that it lets sleep.
    """

    lock: ProjectLock
    inherited: ListeningSockets = field(default_factory=dict)
    old_process: OldProcess | None = None
    published_host: str | None = None
    served: frozenset[str] = frozenset()
    asleep: frozenset[str] = frozenset()


def claim_project(folder: Path, project: str, engine: str, config: UpConfig) -> ClaimedProject:
    """Lock the project, if needed by a hot restart. Raises RunsAlready without `--handover`, and ComposectlError."""
    try:
        return ClaimedProject(ProjectLock(folder, project, engine))
    except errors.RunsAlready:
        if not config.handover:
            raise
    client = find_project_daemon(folder, project, folder)
    check_same_kind(client.info, stack=config.swarm)
    status = client.status()
    check_no_canary(status)
    published_host = client.info.published_host
    check_addressing(config.backend_address, published_host)
    old_process = OldProcess(client.path, client.info.pid)
    fds = old_process.receive()
    lock = ProjectLock(folder, project, engine, inherited=fds.lock)
    served = frozenset(
        service["service"]
        for service in status["services"]
        if any(backend["phase"] == Phase.READY for backend in service["backends"])
    )
    asleep = frozenset(service["service"] for service in status["services"] if service.get("asleep"))
    return ClaimedProject(lock, fds.listening, old_process, published_host, served, asleep)


def check_same_kind(info: DaemonInfo, *, stack: bool) -> None:
    """Raise ComposectlError where a `stack` is asked for, and the running composectl has containers, or vice versa."""
    if stack and not info.has_stack:
        raise errors.ComposectlError(
            f"`--swarm` cannot be combined with the running composectl (process {info.pid}): it has no stack",
            "run `composectl down`, then `composectl up --swarm ...`",
        )
    if info.has_stack and not stack:
        raise errors.ComposectlError(
            f"the running composectl (process {info.pid}) has a stack of a swarm", "add `--swarm`"
        )


def check_no_canary(status: Mapping[str, Any]) -> None:
    """Raise `canary_paused` where the `status` of a running composectl shows a canary."""
    for service in status["services"]:
        if any(backend.get("canary") for backend in service["backends"]):
            raise errors.canary_paused(service["service"])
