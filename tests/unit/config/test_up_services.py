"""What is balanced where no service was typed."""

from __future__ import annotations

from typing import Any

import pytest

from composectl.compose.argv import UpArguments, split_up_arguments
from composectl.compose.project import Project
from composectl.config.up import check_others, declared_scales, starting_services
from composectl.config.x_balance import XBalance
from composectl.errors import ComposectlError

SERVICES: dict[str, Any] = {
    "web": {"depends_on": ["echo"]},
    "echo": {"deploy": {"replicas": 4}},
    "db": {},
    "debug": {"profiles": ["debug"]},
}
PROJECT = Project("shop", {"services": SERVICES})


def starting(*services: str, options: tuple[str, ...] = (), also: tuple[str, ...] = ()) -> set[str]:
    return starting_services(PROJECT, UpArguments(options, services), also, ())


def test_up_alone_brings_up_all_but_those_of_other_profiles() -> None:
    assert starting() == {"web", "echo", "db"}
    assert starting_services(PROJECT, UpArguments(), (), ("debug",)) == set(SERVICES)


def test_a_named_service_comes_with_what_it_depends_on() -> None:
    assert starting("web") == {"web", "echo"}
    assert starting("web", options=("--no-deps",)) == {"web"}
    assert starting("db", also=("web",)) == {"db", "web", "echo"}


def test_a_service_of_another_profile_comes_up_where_it_is_balanced() -> None:
    assert starting(also=("debug",)) == set(SERVICES)


@pytest.mark.parametrize(
    ("replicas", "kept", "scale"), [(10, {"echo": 5}, 10), (0, {}, 0), (None, {"echo": 5}, 5), (None, {"web": 5}, 4)]
)
def test_x_balance_wins_over_before_and_before_over_the_file(
    replicas: int | None, kept: dict[str, int], scale: int
) -> None:
    declared = {"echo": XBalance(replicas)}
    assert declared_scales(PROJECT, declared, {"web", "echo"}, kept) == {"echo": scale}


def test_a_declared_service_that_is_not_started_is_not_balanced() -> None:
    assert declared_scales(PROJECT, {"echo": XBalance(10)}, {"db"}, {}) == {}


# What has to be balanced

PUBLISHED: dict[str, Any] = {
    "web": {"ports": ["8080:80"], "deploy": {"replicas": 3}, "depends_on": ["db"]},
    "db": {"ports": ["5432:5432"]},
    "debug": {"ports": ["9000:9000"], "scale": 2, "profiles": ["debug"]},
}


def check(line: str, *balanced: str, profiles: tuple[str, ...] = ()) -> None:
    check_others(Project("shop", {"services": PUBLISHED}), split_up_arguments(line.split()), balanced, profiles)


@pytest.mark.parametrize(
    ("line", "balanced"),
    [("db", ()), ("--scale web=1", ()), ("", ("web",)), ("--scale=web=2 --scale web=1", ()), ("--no-deps other", ())],
)
def test_what_has_ports_enough_comes_up(line: str, balanced: tuple[str, ...]) -> None:
    check(line, *balanced)


@pytest.mark.parametrize(
    ("line", "balanced", "remedy"),
    [
        ("", (), "--balance web=3"),
        ("web", (), "--balance web=3"),
        ("--scale web=5", (), "--balance web=5"),
        ("--scale web=1 --scale db=2", (), "--balance db=2"),
        ("--scale db=2", ("web",), "--balance db=2"),
        ("--attach web", ("db",), "--balance web=3"),
    ],
)
def test_a_service_that_would_come_up_by_half_is_refused(line: str, balanced: tuple[str, ...], remedy: str) -> None:
    with pytest.raises(ComposectlError) as caught:
        check(line, *balanced)
    assert f"`composectl up {remedy}`" in caught.value.hint


def test_a_service_of_a_profile_counts_where_that_is_enabled() -> None:
    check("", "web")
    with pytest.raises(ComposectlError, match="`debug`"):
        check("", "web", profiles=("debug",))
