"""Carrying out a rollout: new replicas come and are watched before old ones leave, and go again if they do worse."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace

from composectl import errors
from composectl.balance.backend import Backend
from composectl.balance.comparison import is_clearly_worse, outcome_of
from composectl.balance.phase import Phase
from composectl.balance.plan import plan_swap
from composectl.commands.balanced import Balanced
from composectl.commands.running_project import RunningProject
from composectl.commands.scaling import Progress, retire
from composectl.compose.project import is_another
from composectl.compose.stack import Stack
from composectl.control.orders import Rollout

_LOOK_EVERY = 0.2
_VANISH_SECONDS = 30.0
_LOG_LINES = 10


async def roll_out(running: RunningProject, order: Rollout, progress: Progress) -> None:
    """Take new replicas for old ones, a service after the other. Raises ComposectlError.

    The project stays what it was where that fails: what is added later is as the old ones are.
    """
    services = [running.service(name) for name in order.services]
    async with running.scaling:
        stack = replace(running.stack, rendered=order.rendered.encode())
        for balanced in services:
            if not order.only_changed or await _is_changed(running, stack, balanced.service):
                await _Rolling(running, stack, balanced, order, progress).run()
        running.stack = stack


# Private


class _Unfit(Exception):
    """A new replica is not to stay: why, as a sentence, and which container that is about."""

    def __init__(self, why: str, id: str) -> None:  # noqa: A002 - Docker's word
        super().__init__(why)
        self.why = why
        self.id = id


class _Rolling:
    """The rollout of one service."""

    def __init__(
        self, running: RunningProject, stack: Stack, balanced: Balanced, order: Rollout, progress: Progress
    ) -> None:
        self._running = running
        self._stack = stack
        self._balanced = balanced
        self._order = order
        self._progress = progress
        self._names: dict[str, str] = {}  # of all containers, by id
        self._old: frozenset[str] = frozenset()

    async def run(self) -> None:
        self._old = frozenset(await self._list())
        await self._clear_ended()
        wanted = self._balanced.wanted
        self._progress(f"{self._service}: rolling out {wanted}, {self._order.parallel} at a time")
        while swap := plan_swap(self._balanced.pool.backends, self._old, wanted, self._order.parallel):
            if swap.coming:
                await self._add(swap.coming)
            await self._remove(swap.leaving, "rolled out", self._progress)
        self._progress(f"{self._service}: {self._balanced.pool.ready} of {wanted} ready")

    # Private

    @property
    def _service(self) -> str:
        return self._balanced.service

    async def _list(self) -> set[str]:
        found = await self._running.engine.containers(self._stack.project, self._service)
        self._names |= {key: make.name for key, make in found.items()}
        return set(found)

    async def _clear_ended(self) -> None:
        """Compose would start them again, old as they are."""
        for ended in await self._running.engine.ended(self._stack.project, self._service):
            if not ended.restarting:
                await self._running.engine.remove(ended.id)

    async def _add(self, count: int) -> None:
        """New replicas, ready and found to do well; where they are not they are gone again. Raises ComposectlError."""
        before = await self._list()
        try:
            await self._start(before, len(before) + count)
            new = await self._list() - before
            if len(new) < count:
                raise errors.not_added(self._service, len(new), count)
            await self._until_ready(new)
            await self._watch(new)
        except _Unfit as unfit:
            log = await self._running.engine.last_lines(unfit.id, _LOG_LINES)
            await self._take_back(await self._list() - before)
            raise errors.rollout_stopped(self._service, unfit.why, log, self._fresh, self._balanced.wanted) from None
        except BaseException:
            await self._take_back(await self._list() - before)
            raise

    async def _start(self, before: set[str], count: int) -> None:
        try:
            await self._stack.converge(self._service, count)
        except errors.ComposectlError as error:
            added = sorted(await self._list() - before)
            if added:
                raise _Unfit(error.message, added[0]) from None
            raise
        for id in sorted(await self._list() - before):  # noqa: A001 - Docker's word
            self._progress(f"{self._names[id]} starting")

    async def _until_ready(self, new: Collection[str]) -> None:
        seconds = self._order.ready_seconds
        try:
            async with asyncio.timeout(seconds):
                while not self._are_ready(new):
                    await self._check_alive(new)
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._running.journal.until(lambda: self._are_ready(new)), _LOOK_EVERY)
        except TimeoutError:
            late = min(set(new) - {one.replica.id for one in self._ready(new)})
            raise _Unfit(f"`{self._names[late]}` is not ready after {seconds:g} s", late) from None

    async def _watch(self, new: Collection[str]) -> None:
        """For the length of the pause; at its end they are found to do as well as the old ones."""
        mine = self._ready(new)
        theirs = [one for one in self._balanced.pool.backends if one.replica.id in self._old]
        mine_before, theirs_before = outcome_of(mine), outcome_of(theirs)
        self._progress(f"{self._named(new)} ready, watched for {self._order.pause_seconds:g} s")
        end = asyncio.get_running_loop().time() + self._order.pause_seconds
        while True:
            await self._check_ready(mine)
            done, others = outcome_of(mine).since(mine_before), outcome_of(theirs).since(theirs_before)
            if is_clearly_worse(done, others):
                who = max(mine, key=lambda one: outcome_of([one]).bad)
                raise _Unfit(
                    f"{done.bad} of {done.ended} requests failed at {self._named(new)}, {others.bad} of {others.ended}"
                    " at the old replicas",
                    who.replica.id,
                )
            left = end - asyncio.get_running_loop().time()
            if left <= 0:
                return
            await asyncio.sleep(min(left, _LOOK_EVERY))

    async def _check_ready(self, backends: Sequence[Backend]) -> None:
        """Raise _Unfit where one of them has not stayed ready."""
        for backend in backends:
            if backend.phase is not Phase.READY:
                await self._check_alive({backend.replica.id})
                raise _Unfit(f"`{backend.replica.name}` was ready, and is {backend.phase}", backend.replica.id)

    async def _check_alive(self, new: Collection[str]) -> None:
        """Raise _Unfit where one of them has ended."""
        for ended in await self._running.engine.ended(self._stack.project, self._service):
            if ended.id in new and not ended.restarting:
                why = ended.error or f"ended with exit code {ended.exit_code}"
                raise _Unfit(f"`{ended.name}` {why}", ended.id)

    async def _take_back(self, new: Collection[str]) -> None:
        """Drain those that were ready, and remove them all."""
        there = [one for one in self._balanced.pool.backends if one.replica.id in new]
        for id in new:  # noqa: A001 - Docker's word
            self._progress(f"{self._names[id]} is taken back")
        await self._remove(there, "taken back")
        for id in set(new) - {one.replica.id for one in there}:  # noqa: A001
            await self._running.engine.stop(id, 0)
            await self._running.engine.remove(id)

    async def _remove(self, backends: Sequence[Backend], why: str, progress: Progress = lambda _: None) -> None:
        await asyncio.gather(*(retire(self._running, self._balanced, one, why, progress) for one in backends))
        with suppress(TimeoutError):
            async with asyncio.timeout(_VANISH_SECONDS):
                await self._running.journal.until(lambda: all(one.phase is Phase.GONE for one in backends))

    def _ready(self, ids: Collection[str]) -> list[Backend]:
        return [one for one in self._balanced.pool.backends if one.replica.id in ids and one.phase is Phase.READY]

    def _are_ready(self, ids: Collection[str]) -> bool:
        return len(self._ready(ids)) == len(ids)

    def _named(self, ids: Collection[str]) -> str:
        return ", ".join(sorted(self._names[one] for one in ids))

    @property
    def _fresh(self) -> int:
        """How many of the new kind serve."""
        backends = self._balanced.pool.backends
        return sum(one.phase is Phase.READY and one.replica.id not in self._old for one in backends)


async def _is_changed(running: RunningProject, stack: Stack, service: str) -> bool:
    """Whether Compose would make the replicas anew: another definition, or another image under the same name."""
    if is_another(service, running.stack.rendered, stack.rendered):
        return True
    makes = (await running.engine.containers(stack.project, service)).values()
    if len({one.definition for one in makes}) > 1:
        return True
    now = {name: await running.engine.image_id(name) for name in {one.image for one in makes}}
    return any(now[one.image] not in ("", one.image_id) for one in makes)
