"""A page with the grid of phases as the table has it now: `python scripts/phases.py PAGE`."""

import re
import sys
from pathlib import Path

from composectl.balance.phase import Phase, Signal, after

_GRID = re.compile(r"^\| phase \|.*(?:\n\|.*)*", re.MULTILINE)


def grid() -> str:
    """The table as the Markdown grid that the docs show."""
    rows = [["phase", *Signal], ["---"] * (len(Signal) + 1)]
    rows += [[phase, *(after(phase, signal) or "." for signal in Signal)] for phase in Phase]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def renewed(page: str) -> str:
    """The page with its one grid written anew."""
    made, count = _GRID.subn(grid(), page)
    assert count == 1, f"{count} grids"
    return made


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(renewed(page.read_text()))
