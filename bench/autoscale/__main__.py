"""`python -m bench.autoscale`: replay traces against the decision of composectl, a plain KPA and an HPA.

Exits with 1 where composectl is worse than the KPA in a cell.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
P99_BOUND = 1.05  # times the p99 of the KPA


@dataclass(frozen=True, slots=True)
class Cell:
    """What came of one trace and one time to start, over all seeds: by decider, in its order."""

    trace: str
    start: float
    replica_seconds: tuple[float, ...]
    p99: tuple[float, ...]
    changes: tuple[float, ...]

    @property
    def used_ratio(self) -> float:
        """The replica-seconds of ours to those of the KPA."""
        return _ratio(self.replica_seconds)

    @property
    def p99_ratio(self) -> float:
        return _ratio(self.p99)


def run(trace: str, start: float, seeds: Sequence[int]) -> Cell:
    """The means over the seeds; the p99 is that of all requests together."""
    figures = []
    for make in DECIDERS.values():
        outcomes = [play(trace, start, make, seed) for seed in seeds]
        everything = Outcome(waits=[wait for outcome in outcomes for wait in outcome.waits])
        used = sum(outcome.replica_seconds for outcome in outcomes) / len(seeds)
        figures.append((used, everything.p99, sum(outcome.changes for outcome in outcomes) / len(seeds)))
    return Cell(trace, start, *(tuple(column) for column in zip(*figures, strict=True)))


def play(trace: str, start: float, make: MakeDecider, seed: int) -> Outcome:
    """One run with the decider that `make` makes."""
    return simulate(arrivals(TRACES[trace], seed), make(BOUNDS, PLACES), start, BOUNDS.least, seed)


def table(cells: Iterable[Cell]) -> Iterator[str]:
    """The cells as a table in Markdown, each figure as ours / KPA / HPA; the ratios are ours to the KPA."""
    yield "| trace | start, s | replica-seconds | ratio | p99 queued, s | ratio | changes of scale |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for cell in cells:
        used, p99, changes = (
            " / ".join(f"{figure:{kind}}" for figure in figures)
            for figures, kind in ((cell.replica_seconds, ",.0f"), (cell.p99, ".2f"), (cell.changes, ".0f"))
        )
        ratios = f"{cell.used_ratio:.3f}", f"{cell.p99_ratio:.3f}"
        yield f"| {cell.trace} | {cell.start:g} | {used} | {ratios[0]} | {p99} | {ratios[1]} | {changes} |"


def summary(cells: Sequence[Cell]) -> Iterator[str]:
    """A table in Markdown: for each trace, ours beside the KPA over all times to start."""
    yield "| trace | replica-seconds | p99 of the time in the queue |"
    yield "|---|---:|---:|"
    for trace in dict.fromkeys(cell.trace for cell in cells):
        of = [cell for cell in cells if cell.trace == trace]
        used, p99 = ([sum(figures) for figures in zip(*columns, strict=True)] for columns in _columns(of))
        yield f"| {trace} | {_ratio(used):.3f} | {_ratio(p99):.3f} |"


def worse(cells: Iterable[Cell]) -> list[str]:
    """The cells in which ours uses more replica-seconds than the KPA, or has a p99 more than 5 % above its."""
    return [
        f"{cell.trace}, {cell.start:g} s to start: {cell.used_ratio:.3f} x the replica-seconds of the KPA, "
        f"{cell.p99_ratio:.3f} x its p99"
        for cell in cells
        if cell.used_ratio > 1 or cell.p99_ratio > P99_BOUND
    ]


def play_all(seeds: Iterable[int], processes: int = 1) -> list[Cell]:
    """All cells, each over all seeds."""
    tasks = [(trace, start, tuple(seeds)) for trace in TRACES for start in STARTS]
    with ProcessPoolExecutor(processes) as pool:
        return list(pool.map(run, *zip(*tasks, strict=True)))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.autoscale", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="how often each trace is played")
    parser.add_argument("--first", type=int, default=1, help="the seed of the first play")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--page", type=Path, help="write the tables into this page, between their marks")
    parser.add_argument("--picture", type=Path, help="draw one run of each trace into this SVG")
    typed = parser.parse_args()
    cells = play_all(range(typed.first, typed.first + typed.seeds), typed.processes)
    tables = {"summary": [*summary(cells)], "figures": [*table(cells)]}
    print("\n\n".join("\n".join(lines) for lines in tables.values()))
    if typed.page:
        typed.page.write_text(with_tables(typed.page.read_text(), tables))
    if typed.picture:
        make = DECIDERS[OURS]
        curves = {trace: play(trace, 5.0, make, 1).curve for trace in TRACES}
        typed.picture.write_text(picture("Replicas by load, simulated", curves, SECONDS))
    found = worse(cells)
    print("", *found, sep="\n")
    return 1 if found else 0


def with_tables(page: str, tables: Mapping[str, Sequence[str]]) -> str:
    """The page in Markdown, with each table in the place that two comments mark: `<!-- NAME -->`, `<!-- end -->`."""
    for name, lines in tables.items():
        before, _, rest = page.partition(f"<!-- {name} -->\n")
        after = rest.partition("<!-- end -->")[2]
        page = "\n".join([f"{before}<!-- {name} -->", *lines, f"<!-- end -->{after}"])
    return page


# Private


def _columns(cells: Sequence[Cell]) -> tuple[list[tuple[float, ...]], list[tuple[float, ...]]]:
    return [cell.replica_seconds for cell in cells], [cell.p99 for cell in cells]


def _ratio(figures: Sequence[float]) -> float:
    """Ours to the KPA, of figures by decider."""
    names = list(DECIDERS)
    return figures[names.index(OURS)] / figures[names.index(KPA)]


if __name__ == "__main__":
    sys.exit(main())
