"""How long Compose may take to stop a project."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composectl.compose.grace_period import longest_stop, parse_duration
from composectl.compose.project import Project


def project(**services: dict[str, Any]) -> Project:
    return Project("shop", {"services": services})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10s", 10.0),
        ("1m30s", 90.0),
        ("1h0m5s", 3605.0),
        ("500ms", 0.5),
        ("1.5s", 1.5),
        ("0s", 0.0),
        ("1m5s20ms", 65.02),
    ],
)
def test_a_duration_as_config_prints_it(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "10", "s", "ten seconds", "10s later", "-1s"])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        parse_duration(text)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59))
def test_hours_minutes_and_seconds_add_up(hours: int, minutes: int, seconds: int) -> None:
    assert parse_duration(f"{hours}h{minutes}m{seconds}s") == hours * 3600 + minutes * 60 + seconds


def test_services_beside_each_other_stop_at_once() -> None:
    assert longest_stop(project(echo={"stop_grace_period": "1m5s"}, other={})) == 65.0


@pytest.mark.parametrize("needs", [["db"], {"db": {"condition": "service_started"}}])
def test_services_that_depend_on_each_other_stop_one_after_the_other(needs: object) -> None:
    assert longest_stop(project(echo={"stop_grace_period": "20s", "depends_on": needs}, db={}, other={})) == 30.0


def test_a_circle_ends() -> None:
    assert longest_stop(project(a={"depends_on": ["b"]}, b={"depends_on": ["a"]})) == 20.0
