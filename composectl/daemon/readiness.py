"""Waits until replicas are ready, for as long as their HEALTHCHECK says, and says what is missing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from composectl import errors
from composectl.balance.phase import Phase
from composectl.control.commands import Progress
from composectl.daemon.daemon import Daemon
from composectl.daemon.service import BalancedService
from composectl.screen.waiting import waiting_lines

_POLL_INTERVAL = 0.5
_LOG_LINES = 10
_SETTLED = (Phase.READY, Phase.MAINTENANCE)
_LEAVING = (Phase.DRAINING, Phase.DRAINED)
_REMOVAL_TIMEOUT = 10.0  # beyond the grace period
_UP_HINT = (
    "composectl goes on, and serves what becomes ready: `composectl status --watch` shows it, `composectl down`"
    " ends it; `up --ready-timeout 5m` waits longer"
)
_ENDED_HINT = "composectl serves the other services; fix the cause, and run `composectl up -d` again"
_SCALE_HINT = "`composectl status` shows what becomes of it"


async def bring_up(daemon: Daemon) -> None:
    """Have the orchestrator start everything. Raises what it raises, with the containers that are not well."""
    try:
        await daemon.orchestrator.start()
    except errors.ComposectlError as error:
        await daemon.diagnosis.look()
        lines = _indented(waiting_lines(daemon.diagnosis.others))
        if not lines:
            raise
        raise errors.ComposectlError("\n".join((error.message, *lines)), error.hint, error.exit_code) from error


async def until_serving(daemon: Daemon, timeout: float | None, progress: Progress) -> errors.ReplicasFailed | None:
    """Wait until every service has a ready backend, or desires none; what is missing when the time is over.

    `timeout`: seconds for each service; None for as long as its HEALTHCHECK says. `progress` gets what is waited for.
    Raises ReplicasFailed where the replicas of all services have ended.
    """
    deadlines = Deadlines(daemon, timeout)
    given_up: dict[str, errors.ReplicasFailed | None] = {}  # with why it has ended, if it has

    def is_over() -> bool:
        return all(_is_serving(daemon, service) or name in given_up for name, service in daemon.services.items())

    while not await daemon.changes.wait_until(is_over, _POLL_INTERVAL):
        for name, service in daemon.services.items():
            if not _is_serving(daemon, service) and name not in given_up:
                ended = await _ended(daemon, service)
                if ended or await deadlines.is_over(name):
                    given_up[name] = ended
        progress(waiting_text(daemon))
    missing = [name for name, service in daemon.services.items() if not _is_serving(daemon, service)]
    if not missing:
        return None
    failures = [ended for ended in map(given_up.get, missing) if ended]
    if len(failures) == len([name for name in daemon.services if daemon.orchestrator.desired[name]]):
        raise failures[0]
    hint = _ENDED_HINT if len(failures) == len(missing) else _UP_HINT
    return await _not_ready(daemon, {name: given_up.get(name) for name in missing}, deadlines, hint)


async def until_complete(daemon: Daemon, service: BalancedService, timeout: float | None) -> None:
    """Wait until all replicas of the service are ready. Raises ReplicasFailed."""
    deadlines = Deadlines(daemon, timeout)
    while not await daemon.changes.wait_until(lambda: _is_complete(daemon, service), _POLL_INTERVAL):
        if ended := await _ended(daemon, service):
            raise ended
        if await deadlines.is_over(service.name):
            raise await _not_ready(daemon, {service.name: None}, deadlines, _SCALE_HINT)


async def until_gone(daemon: Daemon, service: BalancedService) -> None:
    """Wait until the replicas that the orchestrator stops are gone, at most as long as they may take."""
    leaving = [backend for backend in service.pool.backends if backend.phase in _LEAVING]
    seconds = max((backend.replica.stop_grace_period for backend in leaving), default=0.0) + _REMOVAL_TIMEOUT
    await daemon.changes.wait_until(lambda: all(backend.phase is Phase.GONE for backend in leaving), seconds)


async def wait_for_stragglers(daemon: Daemon, seconds: float) -> None:
    """Give all replicas up to `seconds` to be ready."""
    services = daemon.services.values()
    await daemon.changes.wait_until(lambda: all(_is_complete(daemon, service) for service in services), seconds)


def warn_if_unserved(service: BalancedService, progress: Progress) -> None:
    """Tell that requests can only wait in the queue, where that is so."""
    if not service.pool.ready:
        progress(f"warning: no replica of `{service.name}` serves requests now")


def waiting_text(daemon: Daemon) -> str:
    """What is waited for, and what is ready already, in lines."""
    services = daemon.services.values()
    ready = [f"{service.name} is ready" for service in services if service.pool.ready]
    missing = [service.name for service in services if not _is_serving(daemon, service)]
    names = " and ".join(f"`{name}`" for name in missing)
    lines = [", ".join((f"Waiting for a replica of {names} to be ready", *ready))] if missing else []
    for name in missing:
        lines += waiting_lines(daemon.diagnosis.waiting(name), output=0)
    return "\n".join((*lines, *waiting_lines(daemon.diagnosis.others, output=0)))


class Deadlines:
    """How long each service may take from now on: `timeout` seconds, or, if None, as long as its HEALTHCHECK says."""

    def __init__(self, daemon: Daemon, timeout: float | None) -> None:
        self._daemon = daemon
        self._timeout = timeout
        self._began = asyncio.get_running_loop().time()
        self._seconds: dict[str, float] = {}

    async def is_over(self, service: str) -> bool:
        if service not in self._seconds:
            seconds = self._timeout
            self._seconds[service] = (
                await self._daemon.orchestrator.ready_seconds(service) if seconds is None else seconds
            )
        return asyncio.get_running_loop().time() - self._began >= self._seconds[service]

    def seconds(self, service: str) -> float:
        """What `is_over` has found."""
        return self._seconds.get(service, self._timeout or 0.0)


# Private


def _is_serving(daemon: Daemon, service: BalancedService) -> bool:
    return service.pool.ready > 0 or not daemon.orchestrator.desired[service.name]


def _is_complete(daemon: Daemon, service: BalancedService) -> bool:
    phases = [backend.phase for backend in service.pool.backends if backend.phase not in _LEAVING]
    return len(phases) == daemon.orchestrator.desired[service.name] and all(phase in _SETTLED for phase in phases)


async def _not_ready(
    daemon: Daemon, missing: Mapping[str, errors.ReplicasFailed | None], deadlines: Deadlines, hint: str
) -> errors.ReplicasFailed:
    """The error for services that are not ready in time, or have ended with their own one."""
    await daemon.diagnosis.look()
    lines: list[str] = []
    for name, ended in missing.items():
        if ended is not None:
            lines.append(ended.message)
            continue
        ready, desired = daemon.services[name].pool.ready, daemon.orchestrator.desired[name]
        are, seconds = "is" if desired == 1 else "are", deadlines.seconds(name)
        wanted = errors.plural(desired, "replica")
        lines.append(f"{ready} of {wanted} of `{name}` {are} ready after {seconds:.0f} s")
        lines += _indented(waiting_lines(daemon.diagnosis.waiting(name)))
    lines += _indented(waiting_lines(daemon.diagnosis.others))
    return errors.ReplicasFailed("\n".join(lines), hint)


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"  {line}" for line in lines]


async def _ended(daemon: Daemon, service: BalancedService) -> errors.ReplicasFailed | None:
    """Why no replica of the service is left that could still become ready; None where there is one."""
    orchestrator = daemon.orchestrator
    exited = await orchestrator.exited(service.name)
    if exited and await orchestrator.foreign(service.name):
        return None  # those of composectl are brought back
    if not exited or any(replica.restarting for replica in exited) or await orchestrator.replicas(service.name):
        return None
    if await orchestrator.replaces_ended(service.name):
        return None
    first = min(exited, key=lambda exited: exited.name)
    lines = "".join(f"\n  {line}" for line in await orchestrator.last_lines(first.id, _LOG_LINES))
    if lines:
        return errors.ReplicasFailed(
            f"container `{first.name}` exited with code {first.exit_code}; its last lines:{lines}"
        )
    return errors.ReplicasFailed(
        f"container `{first.name}` exited with code {first.exit_code} without output",
        f"check its command and environment; `composectl run --rm {service.name}` runs one in this terminal",
    )
