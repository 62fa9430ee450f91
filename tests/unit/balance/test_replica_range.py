"""A number of replicas, or a range."""

from __future__ import annotations

import pytest

from composectl.balance.replica_range import ReplicaRange, most_of, read_scale, start_of


@pytest.mark.parametrize(
    ("text", "scale"), [("0", 0), ("10", 10), ("2..10", ReplicaRange(2, 10)), ("0..1", ReplicaRange(0, 1)), ("3..3", 3)]
)
def test_a_number_or_a_range_is_read(text: str, scale: object) -> None:
    assert read_scale(text) == scale


@pytest.mark.parametrize(
    "text", ["", "..", "2..", "..3", "3..2", "0..0", "2...3", "-1..3", "02..3", "a..b", "1..2..3", "1.5"]
)
def test_nothing_else_is(text: str) -> None:
    with pytest.raises(ValueError):
        read_scale(text)


def test_a_range_begins_with_what_there_was_and_is_never_asleep_at_first() -> None:
    bounds = ReplicaRange(0, 5)
    assert [start_of(bounds, before) for before in (0, 1, 4, 9)] == [1, 1, 4, 5]
    assert (start_of(3, 9), most_of(bounds), most_of(3)) == (3, 5, 3)
