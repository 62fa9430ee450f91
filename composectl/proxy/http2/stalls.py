"""How long a peer has taken nothing of what waits for it: its windows stay closed, or it does not read."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from composectl.proxy.http2.flow import Flow
from composectl.proxy.sockets import unsent


class Stalls:
    """`seconds`: for so long nothing was taken in the whole connection; each flow counts its own."""

    __slots__ = ("_unsent", "seconds")

    def __init__(self) -> None:
        self.seconds = 0
        self._unsent = 0

    def second_passed(
        self, transport: asyncio.Transport, blocked: Collection[Flow], *, window: int, is_full: bool
    ) -> None:
        """Count on. `blocked`: what waits for a window; `window`: that of the connection; `is_full`: the socket is."""
        for flow in blocked:
            flow.stalled += 1
        left = unsent(transport) if is_full else 0
        is_stuck = left == self._unsent if left else bool(blocked) and window <= 0
        self.seconds = self.seconds + 1 if is_stuck else 0
        self._unsent = left

    def moved(self, flow: Flow) -> None:
        """The peer has opened a window for some of what waits in this flow."""
        flow.stalled = 0
        self.seconds = 0
