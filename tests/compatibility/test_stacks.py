"""Each shape of a project is deployed as a stack on a swarm of one node, and holds there; or it is refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from docker import DockerClient

from tests.compatibility.cases import REFUSED, Cell
from tests.compatibility.stacks import CELLS, OF_IMPOSSIBLE, OF_LIFE, SWARM
from tests.compatibility.test_one_life import SIMPLE
from tests.support.assertions import answers
from tests.support.cli_error import cli_error_of
from tests.support.project_shape import NEWEST, Shape
from tests.support.stack_project import ShapedStack, shaped_stack

pytestmark = pytest.mark.one_node


@pytest.fixture(scope="module")
def stack(request: pytest.FixtureRequest, engine: DockerClient, echo_image: str) -> Iterator[ShapedStack]:
    """The stack of a shape; nothing of it may be left in the end."""
    made = shaped_stack(request.param, engine, echo_image)
    try:
        made.up()
        yield made
    finally:
        left = made.down()
    assert left == []


@pytest.mark.parametrize(
    ("stack", "cell"),
    [cell.param(cell.of) for cell in CELLS if cell.says != REFUSED],
    indirect=["stack"],
    scope="module",
)
def test_a_shape_holds(stack: ShapedStack, cell: Cell) -> None:
    stack.shape.rows[cell.row](stack)


@pytest.mark.parametrize("cell", [cell.param() for cell in CELLS if cell.says == REFUSED])
def test_what_a_swarm_cannot_do_is_refused(cell: Cell, engine: DockerClient, echo_image: str) -> None:
    made = shaped_stack(cell.of, engine, echo_image)
    error = cli_error_of(made.project, *made.words())
    assert cell.of.refused[NEWEST] in error.message
    assert made.project.cleanup() == []


@pytest.mark.parametrize("cell", [cell.param() for cell in OF_IMPOSSIBLE])
def test_what_cannot_be_balanced_is_refused(cell: Cell, engine: DockerClient, echo_image: str) -> None:
    impossible = cell.of
    made = shaped_stack(Shape(impossible.folder, {}, impossible.typed), engine, echo_image)
    error = cli_error_of(made.project, *made.words())
    assert made.values.fill(impossible.message) in error.message
    assert impossible.hint in error.hint
    assert made.project.cleanup() == []


@pytest.mark.parametrize("cell", [OF_LIFE.param()])
def test_one_life(cell: Cell, engine: DockerClient, echo_image: str) -> None:
    assert cell.compose == SWARM
    made = shaped_stack(SIMPLE, engine, echo_image)
    try:
        made.up()
        made.project.run("scale", "echo=3")
        before = {container.id for container in made.project.containers()}
        made.project.run("rollout", "echo", "--monitor", "0")
        after = {container.id for container in made.project.containers()}
        assert (len(after), before & after) == (3, set())
        answers("<short>", replicas=3)(made)
    finally:
        left = made.down()
    assert left == []
