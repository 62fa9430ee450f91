"""Waiting until replicas serve, or until it is plain that they will not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from composectl import errors
from composectl.balance.phase import Phase
from composectl.daemon.daemon import Running
from composectl.daemon.service import BalancedService

if TYPE_CHECKING:
    from composectl.daemon.project import RunningProject

_POLL_INTERVAL = 0.5
_LOG_LINES = 10
_THERE = (Phase.READY, Phase.MAINTENANCE)


async def until_serving(running: RunningProject, seconds: float | None) -> None:
    """Wait until every balanced service has a ready backend. Raises `replica_died` and `not_ready`."""
    for balanced in running.balanced.values():
        await _until(running, balanced, _is_serving, seconds)


async def wait_for_stragglers(running: Running, seconds: float) -> None:
    """Give the others, once there is a ready backend, `seconds` to join it."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            for balanced in running.balanced.values():
                await running.journal.wait_until(partial(_is_complete, balanced))


async def until_complete(running: RunningProject, balanced: BalancedService, seconds: float) -> None:
    """Wait until exactly the wanted backends are there, and ready. Raises `replica_died` and `not_ready`."""
    await _until(running, balanced, _is_complete, seconds)


# Private


def _is_serving(balanced: BalancedService) -> bool:
    return balanced.pool.ready > 0 or not balanced.desired


def _is_complete(balanced: BalancedService) -> bool:
    phases = [backend.phase for backend in balanced.pool.backends]
    return len(phases) == balanced.desired and all(phase in _THERE for phase in phases)


async def _until(
    running: RunningProject, balanced: BalancedService, true: Callable[[BalancedService], bool], seconds: float | None
) -> None:
    try:
        async with asyncio.timeout(seconds):
            while not true(balanced):
                with suppress(TimeoutError):
                    await asyncio.wait_for(running.journal.wait_until(partial(true, balanced)), _POLL_INTERVAL)
                    return
                await _check_alive(running, balanced)
    except TimeoutError:
        raise errors.not_ready(balanced.service, balanced.pool.ready, balanced.desired, seconds or 0) from None


async def _check_alive(running: RunningProject, balanced: BalancedService) -> None:
    """Raise `replica_died` where no replica is left that could still become ready."""
    service, project = balanced.service, running.compose_project.name
    ended = await running.engine.exited(project, service)
    alive = (await running.engine.replicas(project, (service,)))[service]
    if ended and not alive and not any(one.restarting for one in ended):
        first = min(ended, key=lambda one: one.name)
        raise errors.replica_died(first.name, first.exit_code, await running.engine.last_lines(first.id, _LOG_LINES))
