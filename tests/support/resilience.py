"""A story: a service under load while something happens to it, and the row that it adds to the table."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from docker.models.containers import Container

from tests.support.load_generator import LoadGenerator
from tests.support.project import Project
from tests.support.wait import wait_until

IS_LONG = os.environ.get("COMPOSECTL_STORIES") == "long"
"""Whether the stories are told at their full length; otherwise each shows what it has to in a few seconds."""

# Not by requests in flight: the streams would keep all others away from the replica that they are on.
IN_TURN = ("--policy", "round-robin")

SERVICE = """\
services:
  echo:
    image: {backend}
    environment:
      MARKER: echo
    stop_grace_period: 8s
    volumes:
      - {state}:/state
{more}"""

PUBLISHED = """\
    ports:
      - "{port}:9090"
"""


@dataclass(frozen=True)
class Row:
    """One line of the table; `longest_wait` in seconds, beyond what a request asked for.

    `place` is where it happened, as `heading` says.
    """

    story: str
    place: str
    requests: int
    failed: int
    executed_twice: int
    longest_wait: float
    heading: str = "Compose"


@dataclass(frozen=True)
class Figure:
    """One line of the table of what was measured, and the bounds of it."""

    figure: str
    place: str
    measured: str
    allowed: str
    heading: str = "engine, network"


class Scenario:
    """A project whose service counts what it executes; `add_row` takes the figures of a `Row` at this `place`."""

    heading = "Compose"

    def __init__(self, project: Project, backend: str, place: str, add_row: Callable[[Row], None]) -> None:
        self.project = project
        self.image = backend
        self.place = place
        self._add_row = add_row
        self.state = project.folder.parent / "shared"
        self.state.mkdir()
        self.state.chmod(0o777)

    def write(self, more: str = "", published: bool = True, **values: object) -> None:
        """Write the compose file; `more` are further lines of the service, and further services."""
        text = SERVICE + (PUBLISHED if published else "")
        self.project.write(text, backend=self.image, state=self.state, more=more, **values)

    def serve(self, replicas: int, *words: str, more: str = "") -> None:
        """Bring the service up, and wait until all of its replicas are ready."""
        self.write(more)
        self.project.run("up", "--balance", f"echo={replicas}", "-d", *words)
        assert self.project.has_ready(replicas)

    def scale(self, replicas: int) -> None:
        self.project.run("scale", f"echo={replicas}")

    @contextmanager
    def under_load(self, name: str, per_second: int = 200, at_least: int = 0, **how: float) -> Iterator[LoadGenerator]:
        """What is told within the `with` block happens under load; its figures become a row of the table."""
        with self.project.load(per_second, at_least, **how) as load:
            assert wait_until(lambda: len(load.fates) > per_second / 4 and load.messages)
            yield load
        twice, late = len(self.executed_twice()), load.longest_wait
        self._add_row(Row(name, self.place, len(load.fates), len(load.failed), twice, late, self.heading))
        assert set(load.posted) <= self._executed().keys()

    def executed_twice(self) -> list[str]:
        """The ids of the POSTs that were executed more than once."""
        return [post for post, times in self._executed().items() if times > 1]

    def lost_nothing(self, load: LoadGenerator) -> bool:
        """Whether every request was answered well, and executed once; a stream was ended, never cut."""
        assert load.failed == [], load.failed
        assert load.cut == [], load.cut
        assert self.executed_twice() == []
        assert not set(load.refused) & self._executed().keys()
        assert load.messages > 0
        return True

    def container(self, number: int) -> Container:
        backend = next(backend for backend in self.project.status()["backends"] if backend["number"] == number)
        return self.project.engine.containers.get(backend["id"])

    def phases(self) -> list[str]:
        return [backend["phase"] for backend in self.project.status()["backends"]]

    def comes_to(self, *phases: str, within: float = 60.0) -> bool:
        """Whether the backends come to these phases, in the order of their numbers."""
        return wait_until(lambda: self.phases() == [*phases], within=within)

    # Private

    def _executed(self) -> Counter[str]:
        return Counter(post for file in self.state.glob("executed-*") for post in file.read_text().split())


def table(rows: Sequence[Row | Figure]) -> str:
    """The rows as Markdown, a table for each kind and heading."""
    kinds = dict.fromkeys((type(row), row.heading) for row in rows)
    return "\n".join(_table([row for row in rows if (type(row), row.heading) == kind]) for kind in kinds)


def keep_tables(rows: Sequence[Row | Figure], file: Path) -> None:
    """Put the tables into a page, in the place of those that are there."""
    text = file.read_text()
    for kind in (Row, Figure):
        if found := [row for row in rows if isinstance(row, kind)]:
            mark = _START[kind]
            before, _, rest = text.partition(mark)
            _, _, after = rest.partition("\n\n")
            text = before + _table(found) + ("\n" + after if after else "")
    file.write_text(text)


# Private

_START: dict[type, str] = {Row: "| story |", Figure: "| figure |"}


def _table(rows: Sequence[Row | Figure]) -> str:
    heading = rows[0].heading
    if isinstance(rows[0], Figure):
        lines = [_line("figure", heading, "measured", "allowed"), _line("---", "---", "--:", "--:")]
        return "".join(lines + [_line(row.figure, row.place, row.measured, row.allowed) for row in rows])
    lines = [_line("story", heading, "requests", "failed", "executed twice", "longest wait")]
    lines.append(_line("---", "---", "--:", "--:", "--:", "--:"))
    for row in rows:
        wait = f"{1000 * row.longest_wait:,.0f} ms"
        lines.append(_line(row.story, row.place, f"{row.requests:,}", row.failed, row.executed_twice, wait))
    return "".join(lines)


def _line(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |\n"
