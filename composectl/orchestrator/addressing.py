"""Chooses how replicas are reached: at their own addresses, or at ports that each of them publishes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from composectl import errors
from composectl.engine.client import Engine
from composectl.engine.containers import CONTAINER_ADDRESS, Addressing

AUTO, CONTAINER, PUBLISHED = BACKEND_ADDRESSES = ("auto", "container", "published")
_LOOPBACK = "127.0.0.1"
_TRIAL_TIMEOUT = 1.0
_UNUSED_PORT = 1  # a refusal is an answer, too


@dataclass(frozen=True, slots=True)
class ChosenAddressing:
    addressing: Addressing
    reason: str

    @property
    def published_host(self) -> str:
        """Empty where replicas are reached at their own addresses."""
        return self.addressing.published_host

    @property
    def sentence(self) -> str:
        host = self.published_host
        return f"replicas are reached at {f'ports of {host}' if host else 'their own addresses'}: {self.reason}"


async def choose_addressing(asked: str, engine: Engine) -> ChosenAddressing:
    """The addressing for `asked`; "auto" tries whether the engine's networks answer. Raises ComposectlError."""
    at_ports = Addressing(await _address(engine))
    if asked != AUTO:
        return ChosenAddressing(at_ports if asked == PUBLISHED else CONTAINER_ADDRESS, "as asked")
    if at_ports.published_host != _LOOPBACK:
        return ChosenAddressing(at_ports, f"the engine is on {engine.endpoint.host}")
    if reason := await engine.isolated_reason():
        return ChosenAddressing(at_ports, reason)
    bridge_addresses = await engine.bridge_addresses()
    if not bridge_addresses:
        return ChosenAddressing(CONTAINER_ADDRESS, "the engine has no bridge network yet to try")
    if reached := await first_reachable(bridge_addresses):
        return ChosenAddressing(CONTAINER_ADDRESS, f"the engine's networks answer at {reached}")
    return ChosenAddressing(at_ports, f"{bridge_addresses[0]} on the engine's network does not answer")


def check_addressing(asked: str, published_host: str) -> None:
    """Raise ComposectlError where the replicas that run are not reached as it is asked for."""
    name = PUBLISHED if published_host else CONTAINER
    if asked not in (AUTO, name):
        raise errors.UsageError(
            f"`--backend-address {asked}` cannot be combined with `--handover`: the replicas are reached by `{name}`",
            "omit `--backend-address`, or stop the running composectl: `composectl down`",
        )


async def first_reachable(addresses: Sequence[str]) -> str:
    """The first of these addresses at which a trial connection gets an answer; "" where none does."""
    answers = await asyncio.gather(*map(_gets_answer, addresses))
    return next((address for address, answered in zip(addresses, answers, strict=True) if answered), "")


# Private


async def _address(engine: Engine) -> str:
    """The address of the engine's machine; 127.0.0.1 for this machine."""
    if not engine.endpoint.host:
        return _LOOPBACK
    try:
        found = await asyncio.get_running_loop().getaddrinfo(engine.endpoint.host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise errors.no_engine(engine.endpoint.shown) from error
    address = min(found, key=lambda entry: entry[0] != socket.AF_INET)[4][0]
    return _LOOPBACK if ip_address(address).is_loopback else str(address)


async def _gets_answer(address: str) -> bool:
    try:
        async with asyncio.timeout(_TRIAL_TIMEOUT):
            _, writer = await asyncio.open_connection(address, _UNUSED_PORT)
    except ConnectionRefusedError:
        return True
    except OSError:  # TimeoutError is one
        return False
    writer.close()
    return True
