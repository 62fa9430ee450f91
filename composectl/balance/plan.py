"""Decides which backends are removed, and how many are added, when a service is scaled or rolled out."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from composectl.balance.backend import Backend
from composectl.balance.phase import Phase

# A bridge of Linux has 1,023 ports (net/bridge/br_private.h), one for each container.
MAX_REPLICAS = 1000
_LEAVING = (Phase.DRAINING, Phase.DRAINED, Phase.GONE)


@dataclass(frozen=True, slots=True)
class ScalePlan:
    """`remove`: the backends to drain, stop and remove, in this order; `add`: the number of new ones."""

    remove: tuple[Backend, ...]
    add: int


def plan_scale(backends: Iterable[Backend], desired: int, *, oldest_first: bool = False) -> ScalePlan:
    """Reach `desired` backends: those that are not ready are removed first, then the highest numbers.

    With `oldest_first`, the oldest are removed instead of the highest numbers.
    """
    staying = [backend for backend in backends if backend.phase not in _LEAVING]
    staying.sort(key=lambda backend: backend.replica.number, reverse=not oldest_first)
    if oldest_first:
        staying.sort(key=lambda backend: backend.replica.started)
    staying.sort(key=lambda backend: backend.phase is Phase.READY)
    surplus = max(0, len(staying) - desired)
    return ScalePlan(tuple(staying[:surplus]), max(0, desired - len(staying)))


@dataclass(frozen=True, slots=True)
class RolloutStep:
    """First `add` new backends become ready; then those in `remove` go, in this order."""

    add: int
    remove: tuple[Backend, ...]


def next_fixed_step(
    backends: Iterable[Backend], old: Collection[str], desired: int, parallel: int
) -> RolloutStep | None:
    """The next step where as many leave as come, whether or not they serve; None where no container in `old` is left.

    Those that are not ready go first, then the lowest numbers.
    """
    present = sorted(backends, key=lambda backend: (backend.phase is Phase.READY, backend.replica.number))
    staying = [backend for backend in present if backend.phase not in _LEAVING]
    going = tuple(backend for backend in staying if backend.replica.id in old)[:parallel]
    return RolloutStep(max(0, desired - len(staying) + len(going)), going) if going else None


def next_rollout_step(
    backends: Iterable[Backend], old: Collection[str], desired: int, parallel: int
) -> RolloutStep | None:
    """The next step until no container in `old` is left among `desired` backends; None where the rollout is over.

    The number of ready backends never falls below what it was and is desired, and there are never more than
    `desired` + `parallel`. Those of `old` that are leaving already go at once; otherwise those that are not ready go
    first, then the lowest numbers. An empty step waits for new ones to be ready.
    """
    present = sorted(backends, key=lambda backend: (backend.phase is Phase.READY, backend.replica.number))
    leaving = tuple(backend for backend in present if backend.replica.id in old and backend.phase in _LEAVING)
    if leaving:
        return RolloutStep(0, leaving)
    staying = [backend for backend in present if backend.phase not in _LEAVING]
    old_ones = [backend for backend in staying if backend.replica.id in old]
    if not old_ones:
        return None
    new = len(staying) - len(old_ones)
    add = max(0, min(desired - new, desired + parallel - len(staying)))
    not_ready = sum(backend.phase is not Phase.READY for backend in old_ones)
    spare = max(0, sum(backend.phase is Phase.READY for backend in staying) + add - desired)
    return RolloutStep(add, tuple(old_ones[: min(not_ready + spare, len(staying) + add - desired)]))
