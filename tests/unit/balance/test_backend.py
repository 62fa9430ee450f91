"""What is in flight at a backend, in words."""

from __future__ import annotations

import pytest

from composectl.balance.backend import Counters, name_load


@pytest.mark.parametrize(
    ("in_flight", "connections", "words"),
    [
        (0, 0, ""),
        (1, 0, "1 request"),
        (3, 3, "3 connections"),
        (3, 1, "2 requests and 1 connection"),
    ],
)
def test_connections_are_not_called_requests(in_flight: int, connections: int, words: str) -> None:
    counters = Counters()
    counters.in_flight, counters.connections = in_flight, connections
    assert name_load([counters, Counters()]) == words
