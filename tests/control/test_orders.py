"""Orders as they go over the socket."""

from typing import Any

import pytest

from composectl.control.orders import BadOrder, Rollout, Scaling, parse_place, parse_rollout, parse_scaling

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
    ],
)
def test_a_rollout_with_anything_odd_in_it_is_none(key: str, value: Any) -> None:
    assert parse_rollout(ROLLOUT).services == ("echo",)
    with pytest.raises(BadOrder, match=key):
        parse_rollout(ROLLOUT | {key: value})


@pytest.mark.parametrize(
    "wanted", [{"echo": -1}, {"echo": 1001}, {"echo": "1"}, {"echo": True}, {"echo": 1.0}, [], "echo", None]
)
def test_a_scaling_has_whole_numbers(wanted: Any) -> None:
    with pytest.raises(BadOrder, match="wanted"):
        parse_scaling({"wanted": wanted, "oldest_first": False})
    assert parse_scaling({"wanted": {"echo": 0}, "oldest_first": True}) == Scaling({"echo": 0}, oldest_first=True)


@pytest.mark.parametrize("told", [{"service": "echo"}, {"number": 1}, {"service": "echo", "number": 0}, [], None])
def test_a_place_is_a_service_and_a_number(told: Any) -> None:
    with pytest.raises(BadOrder):
        parse_place(told)
