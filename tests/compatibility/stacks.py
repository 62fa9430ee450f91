"""What of the shapes is otherwise on a swarm: the column of the table that is about `up --swarm`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.compatibility.cases import REFUSED, WORKS, Cell
from tests.compatibility.rows import LIFE
from tests.compatibility.shapes import IMPOSSIBLE, SHAPES
from tests.support.assertions import all_of, answers, runs, says
from tests.support.project_shape import NEWEST, Assertion, Shape

SWARM, LEFT_OUT = "Swarm", "left out"

_EVERY_ADDRESS = "a swarm publishes at every address of its nodes"

# By the row: something of it is left out, as a line says.
INSTEAD: dict[str, Assertion] = {
    "UDP beside TCP": all_of(
        answers("<dns>", replicas=1), says(f"dns: 127.0.0.1:<udp> stays unpublished: {_EVERY_ADDRESS}")
    ),
    "a network of IPv4 and IPv6": all_of(
        answers("<both>"),
        says(
            "network `both`: `enable_ipv6` and `ipam.config.subnet: <prefix>::/64` are left out:"
            " a swarm does not know them"
        ),
    ),
    "`depends_on`, conditions": all_of(
        runs("db", 1), says("echo: `depends_on` is left out: a swarm starts all services at once")
    ),
}
# By the row: why its shape cannot be deployed.
WHY_NOT: dict[str, str] = {
    "an `internal` network": "the tasks of service `inner` cannot be reached: each of its networks is `internal`",
    "`build`": "service `echo` has no `image`, and the nodes of a swarm build none",
}
# By the folder: what is typed for the other rows.
TYPED: dict[str, str] = {
    "networks": "up --balance several=2 --balance bridge=2 --balance both=2 -d several bridge both",
}
# Of these rows the swarm makes something possible, or there is nothing to refuse.
NEVER = ("UDP of two replicas", "`deploy.replicas` without `--balance`", "`--scale` without `--balance`")


def stacks_of(shape: Shape) -> Iterator[Shape]:
    """The shape as it is on a swarm: the rows that are refused there apart from the others."""
    if NEWEST not in shape.composes or shape.is_modern:
        return
    rows = {row: INSTEAD.get(row, proof) for row, proof in shape.rows.items() if row not in WHY_NOT}
    if rows and shape.folder in TYPED:
        replicas = {name: count for name, count in shape.replicas.items() if name in TYPED[shape.folder].split()}
        yield replace(shape, rows=rows, typed=TYPED[shape.folder], replicas=replicas)
    elif rows:
        yield replace(shape, rows=rows)
    for row in shape.rows.keys() & WHY_NOT.keys():
        yield replace(shape, rows={row: shape.rows[row]}, refused={NEWEST: WHY_NOT[row]})


def cells_of_stack(shape: Shape) -> list[Cell]:
    return [Cell(row, SWARM, _says(shape, row), shape, is_usual=shape.is_usual) for row in shape.rows]


def _says(shape: Shape, row: str) -> str:
    return REFUSED if NEWEST in shape.refused else LEFT_OUT if row in INSTEAD else WORKS


STACKS = [stack for shape in SHAPES for stack in stacks_of(shape)]
CELLS = [cell for stack in STACKS for cell in cells_of_stack(stack)]
OF_IMPOSSIBLE = [
    Cell(impossible.row, SWARM, REFUSED, impossible, is_usual=False)
    for impossible in IMPOSSIBLE
    if impossible.row not in NEVER
]
OF_LIFE = Cell(LIFE, SWARM, WORKS)
