"""Each shape of a project comes up in each Compose, and what it is about is true; or it is refused."""

from __future__ import annotations

import pytest
from docker import DockerClient

from tests.compatibility.cases import OF_IMPOSSIBLE, OF_SHAPES, REFUSED, WORKS, Cell
from tests.support.cli_error import cli_error_of
from tests.support.project_shape import Shape
from tests.support.shaped_project import ShapedProject, shaped_project

HOLDING = [cell.param((cell.of, cell.compose)) for cell in OF_SHAPES if cell.says == WORKS]


# The scope is told because pytest takes that of the most fleeting argument for all of them.
@pytest.mark.parametrize(("standing", "cell"), HOLDING, indirect=["standing"], scope="module")
def test_a_shape_holds(standing: ShapedProject, cell: Cell) -> None:
    standing.shape.rows[cell.row](standing)


@pytest.mark.parametrize("cell", [cell.param() for cell in OF_SHAPES if cell.says == REFUSED])
def test_a_compose_that_does_not_know_a_shape_says_so(cell: Cell, engine: DockerClient, echo_image: str) -> None:
    standing = shaped_project(cell.of, cell.compose, engine, echo_image)
    error = cli_error_of(standing.project, *standing.words())
    assert cell.of.refused[cell.compose] in error.message
    assert standing.project.cleanup() == []


@pytest.mark.parametrize("cell", [cell.param() for cell in OF_IMPOSSIBLE])
def test_what_cannot_be_balanced_is_refused(cell: Cell, engine: DockerClient, echo_image: str) -> None:
    impossible = cell.of
    standing = shaped_project(Shape(impossible.folder, {}, impossible.typed), cell.compose, engine, echo_image)
    error = cli_error_of(standing.project, *standing.words())
    assert standing.values.fill(impossible.message) in error.message
    assert impossible.hint in error.hint
    assert standing.project.cleanup() == []
