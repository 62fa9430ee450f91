"""Who leaves and how many come when a service is scaled or rolled out: a decision, as a value."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from composectl.balance.backend import Backend
from composectl.balance.phase import Phase

# A bridge of Linux has 1,023 ports (net/bridge/br_private.h), one for each container.
MOST_REPLICAS = 1000

_ON_THE_WAY_OUT = (Phase.DRAINING, Phase.DRAINED, Phase.GONE)


@dataclass(frozen=True, slots=True)
class Plan:
    """`leaving`: the backends to drain, stop and remove, in this order; `coming`: how many are to be added."""

    leaving: tuple[Backend, ...]
    coming: int


def plan_scale(backends: Iterable[Backend], wanted: int, *, oldest_first: bool = False) -> Plan:
    """Reach `wanted` backends: those that are not ready leave first, then the highest numbers.

    `oldest_first`: then those that started first.
    """
    staying = [backend for backend in backends if backend.phase not in _ON_THE_WAY_OUT]
    staying.sort(key=_by_start if oldest_first else _by_number)
    surplus = max(0, len(staying) - wanted)
    return Plan(tuple(staying[:surplus]), max(0, wanted - len(staying)))


@dataclass(frozen=True, slots=True)
class Swap:
    """One step of a rollout: `coming` new backends are added first, and are ready; then `leaving` go, in this order."""

    coming: int
    leaving: tuple[Backend, ...]


def plan_swap(backends: Iterable[Backend], old: Collection[str], wanted: int, parallel: int) -> Swap | None:
    """The next step until none of the containers in `old` is left among `wanted` backends; None where that is so.

    There are never fewer ready than before and wanted, and never more than `wanted` + `parallel`. Those of `old` that
    are on their way out go at once; else those that are not ready go first, then the lowest numbers. A step of nothing
    is one that waits for new ones to be ready.
    """
    there = sorted(backends, key=lambda backend: (backend.phase is Phase.READY, backend.replica.number))
    idle = tuple(one for one in there if one.replica.id in old and one.phase in _ON_THE_WAY_OUT)
    if idle:
        return Swap(0, idle)
    staying = [one for one in there if one.phase not in _ON_THE_WAY_OUT]
    leaving = [one for one in staying if one.replica.id in old]
    if not leaving:
        return None
    new = len(staying) - len(leaving)
    coming = max(0, min(wanted - new, wanted + parallel - len(staying)))
    ill = [one for one in leaving if one.phase is not Phase.READY]
    spare = max(0, sum(one.phase is Phase.READY for one in staying) + coming - wanted)
    return Swap(coming, tuple(leaving[: min(len(ill) + spare, len(staying) + coming - wanted)]))


# Private


def _by_number(backend: Backend) -> tuple[bool, int]:
    return backend.phase is Phase.READY, -backend.replica.number


def _by_start(backend: Backend) -> tuple[bool, str, int]:
    return backend.phase is Phase.READY, backend.replica.started, backend.replica.number
