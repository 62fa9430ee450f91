"""Carrying out a rollout: all of it, or no more than a canary until it is said how it goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from composectl import errors
from composectl.commands.balanced import Balanced
from composectl.commands.held_canary import HeldCanary
from composectl.commands.running_project import RunningProject
from composectl.commands.swapping import Swapping
from composectl.compose.rendered import check_room_in, is_another
from composectl.compose.stack import Stack
from composectl.control.obeying import Progress
from composectl.control.orders import Rollout, Verdict


async def roll_out(running: RunningProject, order: Rollout, progress: Progress) -> None:
    """Take new replicas for old ones, a service after the other, or hold a canary. Raises ComposectlError.

    A service stays what it was where that fails: what is added to it later is as the old ones are.
    """
    services = [running.service(name) for name in order.services]
    async with running.scaling:
        running.check_no_canary()
        stack = replace(running.stack, rendered=running.fit.applied(order.rendered.encode()))
        for name in () if order.only_changed else order.services:
            check_room_in(stack.rendered, name, running.service(name).wanted + order.parallel)
        if order.canary is not None:
            await _hold_canary(running, stack, services[0], order, order.canary, progress)
            return
        for balanced in services:
            if not order.only_changed or await _is_changed(running, stack, balanced.service):
                with _counted(balanced):
                    await Swapping(running, stack, balanced, order, progress).run()
            running.stacks[balanced.service] = stack
        running.stack = stack


async def judge(running: RunningProject, verdict: Verdict, progress: Progress) -> None:
    """Go on with the rollout of the canary that is held, or take that back. Raises ComposectlError."""
    balanced = running.service(verdict.service)
    async with running.scaling:
        held = running.canary
        if held is None or held.service != verdict.service:
            raise errors.no_canary(verdict.service)
        swapping = Swapping(running, held.stack, balanced, held.order, progress, held.old)
        if verdict.goes_on:
            running.canary = None
            balanced.pool.end_canary()
            with _counted(balanced):
                await swapping.go_on()
            running.stack = running.stacks[held.service] = held.stack
        else:
            await swapping.give_up()
            balanced.rollouts["aborted"] += 1
            running.canary = None
            balanced.pool.end_canary()


# Private


@contextmanager
def _counted(balanced: Balanced) -> Iterator[None]:
    try:
        yield
    except BaseException:
        balanced.rollouts["failed"] += 1
        raise
    balanced.rollouts["done"] += 1


async def _hold_canary(
    running: RunningProject, stack: Stack, balanced: Balanced, order: Rollout, share: float, progress: Progress
) -> None:
    swapping = Swapping(running, stack, balanced, order, progress)
    await swapping.begin()
    balanced.pool.begin_canary(swapping.old, share)
    try:
        await swapping.add(1)
    except BaseException:
        balanced.pool.end_canary()
        balanced.rollouts["failed"] += 1
        raise
    running.canary = HeldCanary(balanced.service, order, stack, swapping.old)
    progress(
        f"{swapping.new_names} is held at {100 * share:g}% of the requests;"
        f" `composectl rollout {balanced.service} --continue` goes on, `--abort` takes it back"
    )


async def _is_changed(running: RunningProject, stack: Stack, service: str) -> bool:
    """Whether Compose would make the replicas anew: another definition, or another image under the same name."""
    if is_another(service, running.stacks[service].rendered, stack.rendered):
        return True
    makes = (await running.engine.containers(stack.project, service)).values()
    if len({one.definition for one in makes}) > 1:
        return True
    now = {name: await running.engine.image_id(name) for name in {one.image for one in makes}}
    return any(now[one.image] not in ("", one.image_id) for one in makes)
