"""The table of docs/internals/test-matrix.md: `python -m tests.compatibility.table PAGE KEPT...`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.compatibility.rows import ROWS

NEVER, FAILED = "-", "\N{BALLOT X}"
_BEGIN, _END = "<!-- written by make matrix -->\n", "<!-- end -->\n"

Kept = Mapping[str, Any]
"""The versions of the `engine` and of the `composes`, and what became of the `cells`."""


def table(runs: Sequence[Kept]) -> str:
    """A row for each shape, a column for each engine and Compose, or swarm."""
    columns = [(run, compose) for run in runs for compose in run["composes"]]
    heads = ["", *(f"{_short(run['engine'])} · {_short(run['composes'][compose])}" for run, compose in columns)]
    lines = [heads, *([row, *(_shown(run["cells"], row, compose) for run, compose in columns)] for row in ROWS)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, [":" + "-" * (width - 2) + ":" if at else "-" * width for at, width in enumerate(widths)])
    return "".join(_line(line, widths) for line in lines)


def renewed(page: str, made: str) -> str:
    """The page with its table written anew."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}{made}{_END}{after}"


# Private


def _short(version: str) -> str:
    return ".".join(re.findall(r"\d+", version)[:2]) or version


def _shown(cells: Iterable[Kept], row: str, compose: str) -> str:
    mine = [cell for cell in cells if (cell["row"], cell["compose"]) == (row, compose)]
    if not mine:
        return NEVER
    return str(mine[0]["says"]) if all(cell["is_well"] for cell in mine) else FAILED


def _line(line: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) + " |\n"


if __name__ == "__main__":
    page = Path(sys.argv[1])
    made = table([json.loads(Path(kept).read_text()) for kept in sys.argv[2:]])
    page.write_text(renewed(page.read_text(), made))
    sys.stdout.write(made)
