"""How many rounds a part takes, and which peers take part."""

from __future__ import annotations

from bench.parts import cpu, memory, table, tcp, watched


def test_as_many_rounds_as_are_asked_for() -> None:
    assert cpu.PART.rounds(5) == 5


def test_few_rounds_say_nothing_of_a_p99_nor_many_of_memory() -> None:
    assert watched.PART.rounds(5) == table.PART.rounds(5) == 24
    assert watched.PART.rounds(30) == 30
    assert memory.PART.rounds(5) == 1


def test_haproxy_splices_where_connections_are_balanced_alone() -> None:
    assert [row.peer for row in cpu.PART.rows(["haproxy", "haproxy-splice"])] == ["haproxy"]
    assert [row.peer for row in tcp.IN_BULK.rows(["nginx", "haproxy", "haproxy-splice"])] == [
        "haproxy",
        "haproxy-splice",
    ]
