"""Lets a service sleep, and wakes it: its replicas are stopped, or paused, and kept. `Daemon.scaling` is to be held."""

from __future__ import annotations

import asyncio

from composectl import errors
from composectl.balance.backend import Backend, ContainerHealth
from composectl.balance.phase import Phase
from composectl.balance.plan import plan_scale
from composectl.daemon.daemon import Daemon
from composectl.daemon.retiring import remove_drained
from composectl.daemon.service import BalancedService

_PAUSE_REPORTED_WITHIN = 5.0  # for the engine to tell that a container is paused
_LEAVING = (Phase.DRAINING, Phase.DRAINED)


async def fall_asleep(daemon: Daemon, service: BalancedService, reason: str) -> None:
    """Stop or pause one replica, and remove the others, where nothing is in flight. Raises ComposectlError.

    Where the orchestrator chooses which replicas go, all of them do.
    """
    await daemon.refresh()
    if service.load:
        return
    desired, can_choose = daemon.orchestrator.desired, daemon.orchestrator.can_choose_victim
    surplus = plan_scale(service.pool.backends, 1).remove if can_choose else ()
    service.rescaled(desired[service.name], 0, reason)
    desired[service.name], service.asleep = 0, True
    service.pool.drain_all("asleep")
    backends = service.pool.backends
    await daemon.changes.wait_until(lambda: all(map(_is_idle, backends)), service.drain_timeout)
    try:
        await asyncio.gather(*(remove_drained(daemon, service, backend, lambda _: None) for backend in surplus))
        await daemon.orchestrator.sleep(service.name, pause=service.pauses)
        await _forget_paused(daemon, service)
    except errors.ComposectlError:
        await wake_up(daemon, service, "it could not be stopped")
        raise


def stay_asleep(daemon: Daemon, service: BalancedService) -> None:
    """Take over a service that sleeps already."""
    daemon.orchestrator.desired[service.name], service.asleep = 0, True


def may_sleep_on(service: BalancedService) -> bool:
    """Whether it sleeps, and its range allows that."""
    return service.asleep and service.range is not None and service.range.least == 0


async def wake_up(daemon: Daemon, service: BalancedService, reason: str) -> None:
    """Start one replica, if it sleeps. Raises ComposectlError."""
    if not service.asleep:
        return
    forget_sleeping(service, "woken")
    await daemon.orchestrator.wake(service.name)
    mark_awake(daemon, service, reason)


def mark_awake(daemon: Daemon, service: BalancedService, reason: str) -> None:
    """A replica runs again."""
    service.rescaled(0, 1, reason)
    daemon.orchestrator.desired[service.name], service.asleep = 1, False


def forget_sleeping(service: BalancedService, reason: str) -> None:
    """A replica that is paused is another backend from now on, which is ready once something lets it go on."""
    for backend in service.pool.backends:
        if backend.phase in _LEAVING:
            service.pool.remove(backend.replica.key, reason)


def was_woken(service: BalancedService) -> bool:
    """Whether something else has started a replica of a service that sleeps."""
    return service.asleep and any(backend.phase is Phase.READY for backend in service.pool.backends)


# Private


async def _forget_paused(daemon: Daemon, service: BalancedService) -> None:
    """One that something else lets go on is then a new backend, and shows that the service is awake."""
    leaving = [backend for backend in service.pool.backends if backend.phase in _LEAVING]
    await daemon.changes.wait_until(lambda: not any(map(_may_run, leaving)), _PAUSE_REPORTED_WITHIN)
    if not any(map(_may_run, leaving)):
        forget_sleeping(service, "paused")
        return
    # One that has gone on at once may never have been told of as paused.
    listed = await daemon.orchestrator.replicas(service.name)
    forget_sleeping(service, "paused")
    daemon.replicas_listed(service.name, listed)


def _may_run(backend: Backend) -> bool:
    """Whether it is not known yet to be stopped or paused."""
    return backend.phase is not Phase.GONE and backend.replica.health is not ContainerHealth.UNHEALTHY


def _is_idle(backend: Backend) -> bool:
    """Whether no process that serves has anything in flight there."""
    return backend.phase in (Phase.DRAINED, Phase.GONE)
