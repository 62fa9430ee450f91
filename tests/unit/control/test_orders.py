"""Orders as they go over the socket."""

from typing import Any

import pytest

from composectl.control.commands import (
    BadOrder,
    Place,
    Rollout,
    Scaling,
    parse_place,
    parse_rollout,
    parse_scaling,
    parse_verdict,
)

ROLLOUT = Rollout(("echo",), "services: {}").as_json() | {"services": ["echo"]}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("services", []),
        ("services", "echo"),
        ("services", [1]),
        ("rendered", None),
        ("parallel", 0),
        ("parallel", True),
        ("pause_seconds", -1),
        ("pause_seconds", "5"),
        ("pause_seconds", float("inf")),
        ("pause_seconds", float("nan")),
        ("ready_seconds", None),
        ("only_changed", 1),
        ("canary", 0.0),
        ("canary", 1.0),
        ("canary", float("nan")),
        ("canary", "10%"),
    ],
)
def test_a_rollout_with_anything_odd_in_it_is_none(key: str, value: Any) -> None:
    assert parse_rollout(ROLLOUT).services == ("echo",)
    with pytest.raises(BadOrder, match=key):
        parse_rollout(ROLLOUT | {key: value})


def test_a_canary_is_of_one_service() -> None:
    assert parse_rollout(ROLLOUT | {"canary": 0.1}).canary == 0.1
    with pytest.raises(BadOrder, match="canary"):
        parse_rollout(ROLLOUT | {"services": ["echo", "web"], "canary": 0.1})


@pytest.mark.parametrize("told", [{"service": "echo"}, {"goes_on": True}, {"service": "echo", "goes_on": 1}, [], None])
def test_a_verdict_is_a_service_and_whether_it_goes_on(told: Any) -> None:
    with pytest.raises(BadOrder):
        parse_verdict(told)


@pytest.mark.parametrize(
    "wanted", [{"echo": -1}, {"echo": 1001}, {"echo": "1"}, {"echo": True}, {"echo": 1.0}, [], "echo", None]
)
def test_a_scaling_has_whole_numbers(wanted: Any) -> None:
    with pytest.raises(BadOrder, match="wanted"):
        parse_scaling({"wanted": wanted, "oldest_first": False})
    assert parse_scaling({"wanted": {"echo": 0}, "oldest_first": True}) == Scaling({"echo": 0}, oldest_first=True)


@pytest.mark.parametrize("told", [{"service": "echo"}, {"number": 1}, {"service": "echo", "number": -1}, [], None])
def test_a_place_is_a_service_and_a_number(told: Any) -> None:
    with pytest.raises(BadOrder):
        parse_place(told)


def test_a_replica_whose_number_is_none_counts_as_0() -> None:
    assert parse_place({"service": "echo", "number": 0}) == Place("echo", 0)
