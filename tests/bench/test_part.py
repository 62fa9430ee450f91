"""How many rounds a part takes."""

from __future__ import annotations

from bench.parts import cpu, memory, table, watched


def test_as_many_rounds_as_are_asked_for() -> None:
    assert cpu.PART.rounds(5) == 5


def test_few_rounds_say_nothing_of_a_p99_nor_many_of_memory() -> None:
    assert watched.PART.rounds(5) == table.PART.rounds(5) == 24
    assert watched.PART.rounds(30) == 30
    assert memory.PART.rounds(5) == 1
