"""Who leaves and how many come when a service is scaled: a decision, as a value."""

from collections.abc import Iterable
from dataclasses import dataclass

from composectl.balance.backend import Backend
from composectl.balance.phase import Phase

_ON_THE_WAY_OUT = (Phase.DRAINING, Phase.DRAINED, Phase.GONE)


@dataclass(frozen=True, slots=True)
class Plan:
    """`leaving`: the backends to drain, stop and remove, in this order; `coming`: how many are to be added."""

    leaving: tuple[Backend, ...]
    coming: int


def plan_scale(backends: Iterable[Backend], wanted: int) -> Plan:
    """Reach `wanted` backends: those that are not ready leave first, then the highest numbers."""
    staying = [backend for backend in backends if backend.phase not in _ON_THE_WAY_OUT]
    staying.sort(key=lambda backend: (backend.phase is Phase.READY, -backend.replica.number))
    surplus = max(0, len(staying) - wanted)
    return Plan(tuple(staying[:surplus]), max(0, wanted - len(staying)))
