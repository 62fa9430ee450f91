"""Commands as they go over the socket."""

from dataclasses import asdict
from typing import Any

import pytest

from composectl.control.commands import (
    BackendRef,
    CanaryDecision,
    InvalidRequest,
    RolloutRequest,
    ScaleRequest,
    parse_backend_ref,
    parse_canary_decision,
    parse_rollout,
    parse_scale,
)

ROLLOUT = asdict(RolloutRequest(("echo",), "services: {}")) | {"services": ["echo"]}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("services", []),
        ("services", "echo"),
        ("services", [1]),
        ("rendered", None),
        ("parallel", 0),
        ("parallel", True),
        ("monitor_seconds", -1),
        ("monitor_seconds", "5"),
        ("monitor_seconds", float("inf")),
        ("monitor_seconds", float("nan")),
        ("ready_timeout_seconds", -1),
        ("ready_timeout_seconds", "60"),
        ("only_changed", 1),
        ("canary", 0.0),
        ("canary", 1.0),
        ("canary", float("nan")),
        ("canary", "10%"),
    ],
)
def test_a_rollout_with_anything_odd_in_it_is_none(key: str, value: Any) -> None:
    assert parse_rollout(ROLLOUT).services == ("echo",)
    with pytest.raises(InvalidRequest, match=key):
        parse_rollout(ROLLOUT | {key: value})


def test_a_canary_is_of_one_service() -> None:
    assert parse_rollout(ROLLOUT | {"canary": 0.1}).canary == 0.1
    with pytest.raises(InvalidRequest, match="canary"):
        parse_rollout(ROLLOUT | {"services": ["echo", "web"], "canary": 0.1})


@pytest.mark.parametrize("payload", [{}, {"service": 1}, [], None])
def test_a_canary_decision_names_a_service(payload: Any) -> None:
    for promote in (True, False):
        assert parse_canary_decision({"service": "echo"}, promote=promote) == CanaryDecision("echo", promote)
        with pytest.raises(InvalidRequest):
            parse_canary_decision(payload, promote=promote)


@pytest.mark.parametrize(
    "desired", [{"echo": -1}, {"echo": 1001}, {"echo": "1"}, {"echo": True}, {"echo": 1.0}, [], "echo", None]
)
def test_a_scaling_has_whole_numbers(desired: Any) -> None:
    with pytest.raises(InvalidRequest, match="desired"):
        parse_scale({"desired": desired, "oldest_first": False})
    assert parse_scale({"desired": {"echo": 0}, "oldest_first": True}) == ScaleRequest({"echo": 0}, oldest_first=True)


@pytest.mark.parametrize(("written", "seconds"), [({}, None), ({"ready_timeout_seconds": 90}, 90.0)])
def test_a_scaling_may_say_how_long_replicas_take(written: dict[str, Any], seconds: float | None) -> None:
    payload = {"desired": {"echo": 2}, "oldest_first": False}
    assert parse_scale(payload | written).ready_timeout_seconds == seconds


@pytest.mark.parametrize("payload", [{"service": "echo"}, {"number": 1}, {"service": "echo", "number": -1}, [], None])
def test_a_place_is_a_service_and_a_number(payload: Any) -> None:
    with pytest.raises(InvalidRequest):
        parse_backend_ref(payload)


def test_a_replica_whose_number_is_none_counts_as_0() -> None:
    assert parse_backend_ref({"service": "echo", "number": 0}) == BackendRef("echo", 0)
