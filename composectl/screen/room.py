"""Who gets how many lines of a terminal that is too short for everything."""

from collections.abc import Sequence
from dataclasses import dataclass

HEADER = 2
HEADING = 1
_ROOMY = 14


@dataclass(frozen=True, slots=True)
class Room:
    """The lines of one service: how many rows and changes are shown, and whether blank lines part them."""

    rows: int
    changes: int
    airy: bool


def wanted(rows: int, changes: int) -> int:
    """The lines that a service takes when nothing is left out."""
    return HEADER + 1 + HEADING + max(1, rows) + (1 + changes if changes else 0)


def divide(lines: int, wants: Sequence[int]) -> list[int]:
    """Lines for each, fairly: whoever wants less than an equal part leaves the rest to the others."""
    given = [0] * len(wants)
    by_want = sorted(range(len(wants)), key=wants.__getitem__)
    for done, index in enumerate(by_want):
        given[index] = min(wants[index], lines // (len(wants) - done))
        lines -= given[index]
    return given


def furnish(lines: int, rows: int, changes: int) -> Room:
    """What to show in `lines` lines: changes only where every row fits, or in a quarter of what is too short anyway."""
    if lines >= wanted(rows, changes):
        return Room(rows, changes, airy=True)
    airy = lines >= _ROOMY
    spare = lines - HEADER - HEADING - airy
    kept = max(0, min(changes, (spare - rows if rows <= spare else spare // 4) - airy))
    space = spare - (kept + airy if kept else 0)
    return Room(rows if rows <= space else max(0, space - 1), kept, airy)
