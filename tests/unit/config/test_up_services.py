"""What is balanced where no service was typed."""

from __future__ import annotations

from typing import Any

import pytest

from composectl.compose.argv import UpArguments
from composectl.compose.project import Project
from composectl.config.up import declared_scales, starting_services
from composectl.config.x_balance import XBalance

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
