"""Binds the ports of services, and names what holds a port that is taken."""

from __future__ import annotations

import asyncio
from pathlib import Path

from composectl import errors
from composectl.control.client import running_daemons
from composectl.daemon.service import BalancedService
from composectl.orchestrator.base import Orchestrator
from composectl.proxy.listener import PortTaken
from composectl.proxy.port_owner import process_on

_RELEASE_TIMEOUT = 5.0
_RELEASE_INTERVAL = 0.05


def port_owner(port: int, folder: Path) -> str:
    """Another composectl of this user, with its sockets in `folder`, or else a process; empty where it is not known."""
    for client in running_daemons(folder):
        info = client.info
        listeners = (*info.listeners, info.metrics.removesuffix("/metrics"), info.dashboard.removesuffix("/"))
        if any(listener.rpartition(":")[2] == str(port) for listener in listeners):
            return f"composectl of {info.title}"
    return process_on(port)


def bind_free_ports(service: BalancedService, folder: Path) -> None:
    """Bind all ports. Raises `port_taken`."""
    try:
        for port in service.unbound:
            service.bind(port)
    except PortTaken as taken:
        raise errors.port_taken(taken.address, port_owner(taken.port, folder)) from taken


async def bind_ports(service: BalancedService, orchestrator: Orchestrator, folder: Path) -> None:
    """Bind all ports but those that the replicas publish: Compose makes these anew without. Raises `port_taken`."""
    for port in service.unbound:
        try:
            service.bind(port)
        except PortTaken as taken:
            if await orchestrator.owns_port(service.name, taken.port):
                continue
            owner = await orchestrator.port_owner(taken.port)
            owner = owner or await asyncio.to_thread(port_owner, taken.port, folder)
            raise errors.port_taken(taken.address, owner) from taken


async def bind_released_ports(service: BalancedService, orchestrator: Orchestrator) -> None:
    """Bind the ports that replicas of the service published until a moment ago. Raises `port_taken`."""
    now = asyncio.get_running_loop().time
    for port in service.unbound:
        deadline = now() + _RELEASE_TIMEOUT
        while port in service.unbound:
            try:
                service.bind(port)
            except PortTaken:
                if now() > deadline:
                    number = port.published[0]
                    raise errors.port_taken(str(number), await orchestrator.port_owner(number)) from None
                await asyncio.sleep(_RELEASE_INTERVAL)
