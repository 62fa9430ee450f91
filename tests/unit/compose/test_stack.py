"""The file that `docker stack deploy` reads; `tests/e2e/swarm/test_stack_file.py` has Docker judge it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from composectl.compose.project import Project, parse_project
from composectl.compose.stack import DEPLOYED_BY, Stack, StackPlan
from composectl.errors import ComposectlError
from tests.unit.compose.test_project import project_of

IMAGE = {"image": "echo:1"}


def stack_of(*, scale: int | None = None, others: dict[str, Any] | None = None, **definition: Any) -> Stack:
    """The stack of a project with the service `echo`, balanced if there is a `scale`."""
    services = {"echo": IMAGE | definition, **(others or {})}
    return StackPlan({}, "node").make(Project("shop", {"services": services}), {} if scale is None else {"echo": scale})


def echo_of(stack: Stack) -> Any:
    return stack.document["services"]["echo"]


def test_the_document_has_neither_a_name_nor_a_version() -> None:
    project = parse_project('{"name": "shop", "version": "2.4", "services": {"echo": {"image": "echo:1"}}}')
    assert StackPlan({}, "node").make(project, {}) == Stack({"services": {"echo": IMAGE}})


def test_the_project_itself_stays_as_it_was() -> None:
    project = project_of(image="echo:1", ports=["8080:80"], deploy={"labels": {"a": "b"}}, networks={"default": None})
    before = yaml.safe_dump(project.document)
    StackPlan({"echo": [80]}, "node", ["echo"]).make(project, {"echo": 2})
    assert yaml.safe_dump(project.document) == before


def test_a_balanced_service_is_told_apart_and_its_tasks_are_not() -> None:
    echo = echo_of(stack_of(scale=3, labels={"mine": "1"}, deploy={"labels": {"its": "2"}}))
    assert echo["deploy"]["labels"] == {"its": "2", DEPLOYED_BY: "node"}
    assert echo["labels"] == {"mine": "1"}
    assert DEPLOYED_BY not in str(echo_of(stack_of()))


def test_labels_may_be_a_list() -> None:
    echo = echo_of(stack_of(scale=3, deploy={"labels": ["its=2", "empty"]}))
    assert echo["deploy"]["labels"] == {"its": "2", "empty": "", DEPLOYED_BY: "node"}


def test_a_balanced_service_has_the_replicas_that_were_asked_for() -> None:
    assert echo_of(stack_of(scale=10, deploy={"replicas": 2}))["deploy"]["replicas"] == 10


def test_the_others_have_those_of_the_file() -> None:
    project = Project("shop", {"services": {"a": IMAGE | {"scale": 3}, "b": IMAGE | {"deploy": {"replicas": 2}}}})
    stack = StackPlan({}, "node").make(project, {})
    assert [service["deploy"] for service in stack.document["services"].values()] == [{"replicas": 3}, {"replicas": 2}]


@pytest.mark.parametrize("mode", ["global", "replicated-job", "global-job"])
def test_what_has_no_number_of_replicas_is_not_balanced(mode: str) -> None:
    with pytest.raises(ComposectlError, match=f"its `deploy.mode` is `{mode}`"):
        stack_of(scale=2, deploy={"mode": mode})
    assert echo_of(stack_of(deploy={"mode": mode}))["deploy"]["mode"] == mode


@pytest.mark.parametrize("networks", [["inner"], {"inner": None}, {"inner": {"aliases": ["x"]}}])
def test_what_is_on_internal_networks_alone_is_not_balanced(networks: Any) -> None:
    services = {"echo": IMAGE | {"networks": networks}}
    project = Project("shop", {"services": services, "networks": {"inner": {"internal": True}, "front": {}}})
    with pytest.raises(ComposectlError, match="each of its networks is `internal`"):
        StackPlan({}, "node").make(project, {"echo": 2})
    StackPlan({}, "node").make(project, {})
    services["echo"]["networks"] = ["inner", "front"]
    StackPlan({}, "node").make(project, {"echo": 2})


def test_only_the_services_that_are_named_are_deployed() -> None:
    project = Project("shop", {"services": {"echo": IMAGE, "built": {"build": "."}}})
    assert [*StackPlan({}, "node", ["echo"]).make(project, {}).document["services"]] == ["echo"]


def test_for_the_older_command_there_is_a_version_and_nothing_newer() -> None:
    check = {"test": ["CMD", "true"], "start_interval": "1s", "retries": 2}
    stack = stack_of(healthcheck=check, oom_score_adj=5)
    assert yaml.safe_load(stack.render())["services"]["echo"]["healthcheck"] == check
    older = yaml.safe_load(stack.render(is_old=True))
    assert older["version"] == "3.9"
    assert older["services"]["echo"] == IMAGE | {"healthcheck": {"test": ["CMD", "true"], "retries": 2}}


def test_a_service_for_whose_end_another_one_waits_runs_once() -> None:
    how = {"migrate": {"condition": "service_completed_successfully"}}
    services = stack_of(depends_on=how, others={"migrate": IMAGE}).document["services"]
    assert services["migrate"]["deploy"] == {"restart_policy": {"condition": "on-failure"}}
    assert "deploy" not in services["echo"]


def test_it_does_so_without_that_one_beside_it_too() -> None:
    how = {"migrate": {"condition": "service_completed_successfully"}}
    project = Project("shop", {"services": {"echo": IMAGE | {"depends_on": how}, "migrate": IMAGE}})
    assert StackPlan({}, "node", ["migrate"]).make(project, {}).document["services"] == {
        "migrate": IMAGE | {"deploy": {"restart_policy": {"condition": "on-failure"}}}
    }


def test_what_else_is_scaled_by_hand_is_scaled() -> None:
    project = Project("shop", {"services": {"echo": IMAGE, "db": IMAGE | {"scale": 1}}})
    stack = StackPlan({}, "node", others={"db": 3}).make(project, {"echo": 2})
    assert [stack.document["services"][name]["deploy"]["replicas"] for name in ("echo", "db")] == [2, 3]


@pytest.mark.parametrize("condition", ["service_healthy", "service_completed_successfully"])
def test_that_nothing_is_waited_for_is_told(condition: str) -> None:
    stack = stack_of(depends_on={"db": {"condition": condition}}, others={"db": IMAGE})
    assert stack.dropped == ("echo: `depends_on` is left out: a swarm starts all services at once",)


@pytest.mark.parametrize("dependencies", [["db"], {"db": {"condition": "service_started"}}, {"db": None}])
def test_an_order_alone_is_left_out_in_silence(dependencies: Any) -> None:
    stack = stack_of(depends_on=dependencies, others={"db": IMAGE})
    assert stack.dropped == ()
    assert "depends_on" not in echo_of(stack)
