"""An orchestrator of paper that chooses itself which replicas it replaces, step by step, as a swarm does."""

from __future__ import annotations

from composectl.balance.backend import Replica
from composectl.orchestrator.base import Revision, UpdateStep
from tests.support.fake_orchestrator import NEW, OLD, FakeOrchestrator


class SteppingOrchestrator(FakeOrchestrator):
    """A new replica has the number of the one that it replaces. `log` has the steps, `slow`: new ones are not made."""

    can_choose_victim = False
    slow = False

    async def desired_replicas(self, service: str) -> dict[str, str]:
        return {replica.id: replica.name for of, revision, replica in self.made if of == service}

    async def begin_update(self, service: str, revision: Revision | None, step: UpdateStep) -> None:
        self._target = revision or NEW
        self._step(service, "begin", step)

    async def continue_update(self, service: str, step: UpdateStep) -> None:
        self._step(service, "continue", step)

    async def revert_update(self, service: str, step: UpdateStep) -> None:
        self._target = OLD
        self._step(service, "revert", UpdateStep(len(self.made), step.stop_first))

    async def end_update(self, service: str) -> None:
        self.log.append(f"end {service}")

    # Private

    def _step(self, service: str, what: str, step: UpdateStep) -> None:
        self.log.append(f"{what} {service}" if what == "revert" else f"{what} {service} {step.parallel}")
        outdated = [made for made in self.made if made[0] == service and made[1] != self._target]
        for _, _, replica in [] if self.slow else outdated[: step.parallel]:
            self._replace(service, replica)
        self._report(service)

    def _replace(self, service: str, old: Replica) -> None:
        self._count += 1
        id_ = f"{self._count:064x}"
        new = Replica(id_, "1", old.number, old.name, f"127.0.1.{self._count}", self.health[self._target])
        self._made[id_] = (service, self._target, new)
        self._report(service)
        del self._made[old.id]
