"""The rows of the table, in its order."""

from __future__ import annotations

from tests.compatibility.shapes import IMPOSSIBLE, SHAPES

DOCTOR = "`doctor` tells the engine's API"
LIFE = "`up` after plain Compose, `scale`, `rollout`, `down`"

ROWS = (DOCTOR, LIFE, *(row for shape in SHAPES for row in shape.rows), *(impossible.row for impossible in IMPOSSIBLE))
