"""Scaling and rolling out only where the replicas have room for the ports that they publish themselves."""

from __future__ import annotations

from dataclasses import replace

from composectl.commands.rolling import roll_out
from composectl.commands.running_project import RunningProject
from composectl.commands.scaling import scale
from composectl.compose.project import check_room, without_udp
from composectl.control.api import Progress
from composectl.control.orders import Rollout, Scaling


async def scale_with_room(running: RunningProject, order: Scaling, progress: Progress) -> None:
    """Scale, unless two replicas would want the same port. Raises ComposectlError."""
    for service, count in order.wanted.items():
        if service in running.stacks:
            check_room(running.stacks[service].rendered, service, count)
    await scale(running, order, progress)


async def roll_out_with_room(running: RunningProject, order: Rollout, progress: Progress) -> None:
    """Roll out, unless a new replica and an old one would want the same port. Raises ComposectlError."""
    rendered = without_udp(order.rendered.encode(), running.drops_udp)
    for service in () if order.only_changed else order.services:
        check_room(rendered, service, running.service(service).wanted + order.parallel)
    await roll_out(running, replace(order, rendered=rendered.decode()), progress)
