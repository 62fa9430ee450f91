"""All that one run has measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.figures import Samples


@dataclass(frozen=True, slots=True)
class Results:
    """`date` as YYYY-MM-DD, `versions` by the names of the peers, `measured` by the names of the parts."""

    date: str
    machine: str
    versions: Mapping[str, str]
    rounds: int
    seconds: int
    measured: Mapping[str, Samples]
