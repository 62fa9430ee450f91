"""Compose's labels: which containers are replicas, and of what."""

import pytest

from composectl.engine.containers import HOOK, NUMBER, ONE_OFF, PROJECT, SERVICE, number_of, replica_filter, service_of


def test_a_container_of_compose_is_a_replica_of_its_service() -> None:
    assert service_of({SERVICE: "echo", ONE_OFF: "False"}) == "echo"


@pytest.mark.parametrize("labels", [{}, {SERVICE: "echo", ONE_OFF: "True"}, {SERVICE: "echo", HOOK: "pre_start"}])
def test_h16_one_offs_hooks_and_strangers_are_not_replicas(labels: dict[str, str]) -> None:
    assert service_of(labels) == ""


@pytest.mark.parametrize(("text", "number"), [("10", 10), ("", 0), ("-1", 0), ("ten", 0)])
def test_a_number_that_is_none_is_0(text: str, number: int) -> None:
    assert number_of({NUMBER: text}) == number


def test_a_container_without_a_number_has_number_0() -> None:
    assert number_of({}) == 0


def test_h16_only_this_project_is_listed() -> None:
    assert replica_filter("shop") == {"label": [f"{PROJECT}=shop", f"{ONE_OFF}=False"]}
