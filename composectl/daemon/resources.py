"""What the replicas of a service use of their machine, where an autoscaler is to look at that."""

from __future__ import annotations

from composectl.balance.load import CpuMeter
from composectl.daemon.daemon import Daemon
from composectl.daemon.service import BalancedService

_UNKNOWN = "`--max-memory` has no effect: the memory of the engine's machine is not known here"


class Resources:
    """`cpu`: the integral of `CpuMeter`. `capacity`: so many more replicas fit into memory; None if not asked.

    One more replica is taken to need as much as the others do on average.
    """

    def __init__(self, daemon: Daemon, service: BalancedService) -> None:
        self.capacity: int | None = None
        self._orchestrator = daemon.orchestrator
        self._service = service
        self._meter = CpuMeter()

    @property
    def is_asked_for(self) -> bool:
        config = self._service.autoscale
        return config.target_cpu is not None or config.max_memory is not None

    @property
    def cpu(self) -> float:
        return self._meter.integral

    async def read(self) -> None:
        """Raises ComposectlError."""
        used = await self._orchestrator.usage(self._service.name)
        self._meter.read({id_: usage.cpu for id_, usage in used.items()})
        if self._service.autoscale.max_memory is not None:
            each = sum(usage.memory for usage in used.values()) / max(1, len(used))
            self.capacity = self._capacity(self._service.autoscale.max_memory, each)

    def grown(self, count: int) -> None:
        """So many replicas more were made, whose memory is not in use yet."""
        if self.capacity is not None:
            self.capacity = max(0, self.capacity - count)

    # Private

    def _capacity(self, share: float, each: float) -> int | None:
        memory = self._orchestrator.memory()
        if memory is None:
            self._service.notice(_UNKNOWN)
            return None
        used, total = memory
        return max(0, int((share * total - used) // max(1.0, each)))
