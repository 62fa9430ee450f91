"""The cells of the table: what is shown of a row for one Compose, and when it is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.compatibility.shapes import IMPOSSIBLE, SHAPES
from tests.support.project_shape import EVERY, NEWEST, Shape

WORKS, REFUSED = "\N{CHECK MARK}", "refused"


@dataclass(frozen=True, eq=False)
class Cell:
    """`says`: what stands there where all is well. `of`: the shape that it is about, if it is one of the table."""

    row: str
    compose: str
    says: str
    of: Any = None
    is_modern: bool = False
    is_usual: bool = True

    def param(self, *before: object) -> Any:
        """The parameters of a test that looks at it: `before`, and the cell itself."""
        marks = [
            *([pytest.mark.modern] if self.is_modern else ()),
            *([] if self.is_usual or self.compose == NEWEST else [pytest.mark.whole]),
        ]
        return pytest.param(*before, self, marks=marks, id=f"{self.compose}-{self.row}")


def cells_of(shape: Shape, compose: str) -> list[Cell]:
    says = REFUSED if compose in shape.refused else WORKS
    is_usual = shape.is_usual or says == REFUSED
    return [Cell(row, compose, says, shape, shape.is_modern, is_usual) for row in shape.rows]


OF_SHAPES = [
    cell for compose in EVERY for shape in SHAPES if compose in shape.composes for cell in cells_of(shape, compose)
]
OF_IMPOSSIBLE = [
    Cell(impossible.row, compose, REFUSED, impossible, is_usual=False) for compose in EVERY for impossible in IMPOSSIBLE
]
