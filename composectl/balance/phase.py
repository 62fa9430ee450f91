"""The phases of a backend and the only table by which they change."""

from enum import StrEnum


class Phase(StrEnum):
    """Where a backend is in its life; only `READY` gets requests."""

    STARTING = "starting"
    READY = "ready"
    FAILING = "failing"
    RESTING = "resting"
    DRAINING = "draining"
    DRAINED = "drained"
    GONE = "gone"


class Signal(StrEnum):
    """What can happen to a backend."""

    CAME_UP = "came up"
    WENT_DOWN = "went down"
    REST = "rest"
    RETURN = "return"
    LEAVE = "leave"
    EMPTIED = "emptied"
    VANISHED = "vanished"


# Intent beats observation: who rests, or drains, is deaf to good news. Whose container is to be stopped never returns;
# who rests is to stay, so that the two are not one phase.
TABLE: dict[Phase, dict[Signal, Phase]] = {
    Phase.STARTING: {
        Signal.CAME_UP: Phase.READY,
        Signal.REST: Phase.RESTING,
        Signal.LEAVE: Phase.DRAINING,
        Signal.VANISHED: Phase.GONE,
    },
    Phase.READY: {
        Signal.WENT_DOWN: Phase.FAILING,
        Signal.REST: Phase.RESTING,
        Signal.LEAVE: Phase.DRAINING,
        Signal.VANISHED: Phase.GONE,
    },
    Phase.FAILING: {
        Signal.CAME_UP: Phase.READY,
        Signal.REST: Phase.RESTING,
        Signal.LEAVE: Phase.DRAINING,
        Signal.VANISHED: Phase.GONE,
    },
    Phase.RESTING: {
        Signal.RETURN: Phase.STARTING,
        Signal.LEAVE: Phase.DRAINING,
        Signal.VANISHED: Phase.GONE,
    },
    Phase.DRAINING: {
        Signal.EMPTIED: Phase.DRAINED,
        Signal.VANISHED: Phase.GONE,
    },
    Phase.DRAINED: {Signal.VANISHED: Phase.GONE},
    Phase.GONE: {},
}


def after(phase: Phase, signal: Signal) -> Phase | None:
    """The phase that `signal` leads to, or None where the signal means nothing."""
    return TABLE[phase].get(signal)


def grid() -> str:
    """The table as the Markdown grid that the design page shows."""
    rows = [["phase", *Signal], ["---"] * (len(Signal) + 1)]
    rows += [[phase, *(after(phase, signal) or "." for signal in Signal)] for phase in Phase]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
