"""SOAK.md: what was begun, how it ended, and what was held."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bench.report import markdown
from bench.soaking.outcomes import Outcomes
from bench.soaking.samples import Drift, Held, drift

_ROWS = 12


@dataclass(frozen=True, slots=True)
class Soak:
    """A run: `rest` is what the proxy held before all and after it, `counted` what it says itself.

    What is held is that of all its processes. `commit`: of the code that was run.
    """

    date: str
    machine: str
    minutes: float
    outcomes: Outcomes
    held: Sequence[Held]
    rest: tuple[Held, Held]
    counted: str
    workers: int = 1
    commit: str = ""

    @property
    def memory(self) -> Drift:
        return drift([sample.memory for sample in self.held])

    @property
    def descriptors(self) -> Drift:
        return drift([sample.descriptors for sample in self.held])

    @property
    def passed(self) -> bool:
        """Whether nothing is unexplained and all stayed flat."""
        return not self.outcomes.unexplained and self.memory.is_flat and self.descriptors.is_flat


def page(soak: Soak) -> str:
    """The page."""
    before, after = soak.rest
    return "\n".join(
        [
            f"# {_title(soak)}\n\nWritten by `{_command(soak)}`{f' at {soak.commit}' if soak.commit else ''},"
            f" {soak.date}, on {soak.machine}.\n",
            f"{sum(soak.outcomes.unexplained.values())} unexplained errors.",
            f"Memory {_drift_text(soak.memory, 'MiB')}.",
            f"Descriptors {_drift_text(soak.descriptors, '')}.",
            f"Before all {before.descriptors:.0f} descriptors and {before.memory:.1f} MiB, "
            f"after it {after.descriptors:.0f} and {after.memory:.1f} MiB.",
            f"The proxy counted {soak.counted}.\n",
            *(["## Unexplained\n", _table(soak.outcomes.unexplained)] if soak.outcomes.unexplained else []),
            "## How it ended\n",
            _table(soak.outcomes.expected),
            "## What was held\n",
            _held(soak.held),
        ]
    )


# Private


def _title(soak: Soak) -> str:
    return "Soak" if soak.workers == 1 else f"Soak with {soak.workers} workers"


def _command(soak: Soak) -> str:
    return f"bench/soak {soak.minutes:g}" + ("" if soak.workers == 1 else f" --workers {soak.workers}")


def _drift_text(trend: Drift, unit: str) -> str:
    word = "flat" if trend.is_flat else "NOT FLAT"
    return (
        f"{word}: first third {trend.first:.1f}, last third {trend.last:.1f} {unit}".rstrip() + f" ({trend.share:+.1%})"
    )


def _table(counts: Counter[tuple[str, str]]) -> str:
    return markdown(
        [
            ["client, outcome", "times"],
            *([f"{client}: {outcome}", f"{times:,}"] for (client, outcome), times in counts.items()),
        ]
    )


def _held(held: Sequence[Held]) -> str:
    every = max(1, len(held) // _ROWS)
    lines = [
        [f"{sample.at:.0f} s", f"{sample.memory:.1f} MiB", f"{sample.descriptors:.0f}"] for sample in held[::every]
    ]
    return markdown([["at", "memory", "descriptors"], *lines])
