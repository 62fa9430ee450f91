"""What `status` shows of one project, of some services, of all; and its exit code."""

from __future__ import annotations

from dataclasses import replace

import pytest

from composectl.commands.status import exit_code, select, status_of_project, status_of_projects
from composectl.errors import ComposectlError
from tests.support.snapshots import backend, service, snapshot


def test_it_is_serving_where_every_service_has_one_that_is_ready() -> None:
    half = service(backends=(backend(1, phase="unhealthy"), backend(2)))
    assert exit_code(status_of_project(snapshot(half, service(3)))) == 0


@pytest.mark.parametrize("phase", ["starting", "unhealthy", "maintenance", "draining"])
def test_one_service_without_a_ready_backend_is_enough_for_a_3(phase: str) -> None:
    unready = service(service="worker", backends=(backend(1, phase=phase),))
    both = snapshot(service(), unready)
    assert exit_code(status_of_project(both)) == 3
    assert exit_code(status_of_project(select(both, ["echo"]))) == 0
    assert exit_code(status_of_project(select(both, ["worker"]))) == 3
    assert exit_code(status_of_projects([snapshot(), both])) == 3


def test_a_service_without_replicas_is_not_ready() -> None:
    assert exit_code(status_of_project(snapshot(service(0)))) == 3


def test_services_come_in_the_order_of_the_command_line() -> None:
    both = snapshot(service(service="a"), service(service="b"))
    assert [service.service for service in select(both, ["b", "a"]).services] == ["b", "a"]


def test_an_unbalanced_service_is_refused_with_the_balanced_ones() -> None:
    with pytest.raises(ComposectlError) as refused:
        select(snapshot(), ["ecoh"])
    assert (refused.value.message, refused.value.hint) == (
        "service `ecoh` is not balanced",
        "balanced services: `echo`",
    )


def test_all_projects_are_one_table_and_each_its_own_json() -> None:
    shop, blog = (replace(snapshot(), project=name) for name in ("shop", "blog"))
    together = status_of_projects([shop, replace(blog, stale_since="2026-11-25T10:00:00+00:00")])
    assert [service.service for service in together.table.services] == ["shop/echo", "blog/echo"]
    assert together.table.stale_since == "2026-11-25T10:00:00+00:00"
    assert [project["project"] for project in together.json["projects"]] == ["shop", "blog"]
    assert together.json["projects"][0] == shop.as_json()
