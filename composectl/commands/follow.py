"""`composectl proxy` without backends: the replicas of one service are followed, as from a container beside them."""

from __future__ import annotations

import math
import socket
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from composectl import errors
from composectl.balance.replica import Replica
from composectl.commands.balanced import Balanced
from composectl.commands.balancing import Balancing
from composectl.commands.followed import FollowedWish
from composectl.commands.following import Following
from composectl.commands.invocation import Invocation
from composectl.commands.proxying import Proxy, hold, run_proxy
from composectl.commands.telling import say
from composectl.control.claim import Claim
from composectl.control.folder import runtime_folder
from composectl.engine.client import Engine
from composectl.engine.endpoint import Endpoint, resolve_endpoint
from composectl.engine.own import Own, find_own_id
from composectl.engine.reach import Reach
from composectl.journal import Journal
from composectl.proxy.gate import make_gate

_MOUNTS = Path("/proc/self/mountinfo")
_LAST_WORDS_SECONDS = 1.0  # to end by ourselves within the grace period of our own container


def follow(invocation: Invocation, wish: FollowedWish) -> int:
    """Run until Ctrl-C, or with `-d` until there is a background process that serves. Returns the exit code."""
    return run_proxy(partial(_opened, invocation, wish), in_background=wish.detach)


# Private


class _Follower(Following):
    """Wants as many replicas as there are."""

    def __init__(
        self, wish: FollowedWish, engine: Engine, project: str, claim: Claim, journal: Journal, balanced: Balanced
    ) -> None:
        super().__init__(engine, project, claim, "", journal, {wish.service: balanced})
        self._wish = wish

    def observe(self, service: str, replicas: list[Replica]) -> None:
        self._tell_of_mute(replicas)
        self.balanced[service].wanted = len(replicas)
        super().observe(service, replicas)

    # Private

    def _tell_of_mute(self, replicas: list[Replica]) -> None:
        known = {backend.replica.key for backend in self.balanced[self._wish.service].pool.backends}
        for replica in replicas:
            if replica.key not in known and not self._wish.reaches(replica):
                error = errors.nothing_exposed(f"container `{replica.name}`")
                say(f"{error.message}: {error.hint}")


async def _opened(invocation: Invocation, wish: FollowedWish) -> Proxy:
    """Raises ComposectlError."""
    own_id, endpoint = _own_id(), resolve_endpoint(invocation.host, invocation.context, invocation.environ)
    if own_id:
        _check_mounted(endpoint)
    engine = await Engine.connect(endpoint)
    with ExitStack() as undo:
        undo.callback(engine.close)
        own = await engine.own(own_id)
        project = wish.project or _project_of(own, engine)
        engine.reach = Reach(networks=own.networks if own else None, exposed=not wish.port)
        there = await _first_look(engine, project, wish)
        journal = Journal()
        balanced = Balanced(
            wish.service, 0, wish.ports, _in_time(wish.balancing, own), make_gate(wish.balancing.connections), journal
        )
        claim = hold(balanced, wish.name or project, runtime_folder(invocation.environ))
        undo.pop_all()
    follower = _Follower(wish, engine, project, claim, journal, balanced)
    follower.observe(wish.service, there)
    return Proxy(
        follower, f"the replicas of {wish.service}", errors.followed(project, wish.service), (follower.follow,)
    )


def _own_id() -> str:
    return find_own_id(_MOUNTS.read_text() if _MOUNTS.exists() else "", socket.gethostname())


def _check_mounted(endpoint: Endpoint) -> None:
    path = endpoint.url.removeprefix("unix://")
    if path != endpoint.url and not Path(path).exists():
        raise errors.no_socket(path)


def _project_of(own: Own | None, engine: Engine) -> str:
    if own is None:
        raise errors.whose_project(engine.endpoint.url)
    if not own.project:
        raise errors.of_no_project(own.name)
    return own.project


async def _first_look(engine: Engine, project: str, wish: FollowedWish) -> list[Replica]:
    """The replicas that run already. Raises where there are some, and none that could be balanced to."""
    there = await _replicas(engine, project, wish.service)
    if not there:
        await _tell_of_none(engine, project, wish.service)
    elif not any(map(wish.reaches, there)):
        raise errors.nothing_exposed(f"service `{wish.service}`")
    return there


async def _tell_of_none(engine: Engine, project: str, service: str) -> None:
    """Say who is there instead; raise `no_shared_network` where some run, out of our reach."""
    reach, engine.reach = engine.reach, replace(engine.reach, networks=None)
    if await _replicas(engine, project, service):
        raise errors.no_shared_network(service, project)
    engine.reach = reach
    services = ", ".join(sorted((await engine.scales()).get(project, {})))
    say(f"no replica of {service} runs yet in project {project}, which has {services or 'no containers'}")


async def _replicas(engine: Engine, project: str, service: str) -> list[Replica]:
    return (await engine.replicas(project, (service,)))[service]


def _in_time(balancing: Balancing, own: Own | None) -> Balancing:
    """With no more time to drain than our own container is given to stop."""
    grace = own.grace - _LAST_WORDS_SECONDS if own else math.inf
    return replace(balancing, drain=int(max(0, min(balancing.drain, grace))))
