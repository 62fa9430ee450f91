"""Shows what replicas print while they start, as `docker compose up` does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import NoReturn

from composectl import errors
from composectl.control.commands import Progress
from composectl.orchestrator.base import Orchestrator

_INTERVAL = 0.5
_LAST_SECONDS = 1.0


class ReplicaOutput:
    """The output of the containers from `skip` on, of a container that is made later from its first line on."""

    def __init__(self, orchestrator: Orchestrator) -> None:
        self._orchestrator = orchestrator
        self._seen: dict[str, str] = {}  # moments, by id
        self._width = 0  # of the widest source so far

    async def skip(self) -> None:
        """Leave out what was printed so far."""
        with suppress(errors.ComposectlError):
            await self._orchestrator.new_output(self._seen)

    @asynccontextmanager
    async def shown(self, show: Progress) -> AsyncIterator[None]:
        """While entered, `show` gets each line, as in `web-1  | listening on 80`."""
        following = asyncio.create_task(self._follow(show))
        try:
            yield
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_SECONDS):
                    await self._show_new(show)

    # Private

    async def _follow(self, show: Progress) -> NoReturn:
        while True:
            await self._show_new(show)
            await asyncio.sleep(_INTERVAL)

    async def _show_new(self, show: Progress) -> None:
        with suppress(errors.ComposectlError):
            lines = await self._orchestrator.new_output(self._seen)
            self._width = max((self._width, *(len(line.source) for line in lines)))
            for line in lines:
                show(f"{line.source:{self._width}}  | {line.text}")
