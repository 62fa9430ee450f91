"""`python -m bench.autoscale`: replay traces against the decision of composectl, a plain KPA and an HPA."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench.autoscale.deciders import DECIDERS, MakeDecider
from bench.autoscale.picture import picture
from bench.autoscale.simulation import PLACES, Outcome, simulate
from bench.autoscale.traces import SECONDS, TRACES, arrivals
from composectl.balance.replica_range import ReplicaRange

BOUNDS = ReplicaRange(1, 20)
STARTS = (0.5, 5.0, 20.0, 60.0)  # seconds that a replica takes to start
OURS, KPA = "composectl", "KPA"


@dataclass(frozen=True, slots=True)
class Cell:
    """What came of one trace and one time to start, over all seeds: by decider, in its order."""

    trace: str
    start: float
    replica_seconds: tuple[float, ...]
    p99: tuple[float, ...]
    changes: tuple[float, ...]


def run(trace: str, start: float, seeds: int) -> Cell:
    """The means over the seeds; the p99 is that of all requests together."""
    figures = []
    for make in DECIDERS.values():
        outcomes = [play(trace, start, make, seed) for seed in range(1, seeds + 1)]
        everything = Outcome(waits=[wait for outcome in outcomes for wait in outcome.waits])
        used = sum(outcome.replica_seconds for outcome in outcomes) / seeds
        figures.append((used, everything.p99, sum(outcome.changes for outcome in outcomes) / seeds))
    return Cell(trace, start, *(tuple(column) for column in zip(*figures, strict=True)))


def play(trace: str, start: float, make: MakeDecider, seed: int) -> Outcome:
    """One run with the decider that `make` makes."""
    return simulate(arrivals(TRACES[trace], seed), make(BOUNDS, PLACES), start, BOUNDS.least, seed)


def table(cells: Iterable[Cell]) -> Iterator[str]:
    """The cells as a table in Markdown, and the sums of each trace."""
    names = list(DECIDERS)
    columns = [f"{name}: {what}" for what in ("replica-seconds", "p99 queued, s", "changes") for name in names]
    yield f"| trace | start, s | {' | '.join(columns)} |"
    yield "|---" * (2 + 3 * len(names)) + "|"
    for cell in cells:
        used = " | ".join(f"{seconds:,.0f}" for seconds in cell.replica_seconds)
        p99 = " | ".join(f"{seconds:.2f}" for seconds in cell.p99)
        changes = " | ".join(f"{count:.0f}" for count in cell.changes)
        yield f"| {cell.trace} | {cell.start:g} | {used} | {p99} | {changes} |"


def verdicts(cells: Sequence[Cell]) -> Iterator[str]:
    """For each trace, ours beside the KPA: replica-seconds over all times to start, and the p99s, on average."""
    ours, kpa = list(DECIDERS).index(OURS), list(DECIDERS).index(KPA)
    for trace in TRACES:
        of = [cell for cell in cells if cell.trace == trace]
        used = sum(cell.replica_seconds[ours] for cell in of) / sum(cell.replica_seconds[kpa] for cell in of)
        p99 = sum(cell.p99[ours] for cell in of) / sum(cell.p99[kpa] for cell in of)
        yield f"{trace}: {used:.3f} x the replica-seconds of the KPA, {p99:.3f} x its p99"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.autoscale", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="how often each trace is played")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--picture", type=Path, help="draw one run of each trace into this SVG")
    typed = parser.parse_args()
    tasks = [(trace, start, typed.seeds) for trace in TRACES for start in STARTS]
    with ProcessPoolExecutor(typed.processes) as pool:
        cells = list(pool.map(run, *zip(*tasks, strict=True)))
    print("\n".join(table(cells)), end="\n\n")
    print("\n".join(verdicts(cells)))
    if typed.picture:
        make = DECIDERS[OURS]
        curves = {trace: play(trace, 5.0, make, 1).curve for trace in TRACES}
        typed.picture.write_text(picture("Replicas by load, simulated", curves, SECONDS))


if __name__ == "__main__":
    main()
