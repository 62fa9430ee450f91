"""`deploy` of a service in a stack."""

from __future__ import annotations

from typing import Any

import pytest

from composectl.compose.stack_deploy import render_deploy
from composectl.errors import ComposectlError


def deploy_of(*, runs_once: bool = False, **definition: Any) -> Any:
    deploy, left_out = render_deploy("echo", definition, runs_once=runs_once)
    assert left_out == []
    return deploy


def test_nothing_is_made_of_nothing() -> None:
    assert deploy_of() == {}


KEPT: dict[str, Any] = {
    "endpoint_mode": "dnsrr",
    "labels": {"a": "b"},
    "mode": "global",
    "placement": {"constraints": ["node.role==worker"], "preferences": [{"spread": "node.labels.zone"}]},
    "replicas": 2,
    "restart_policy": {"condition": "any", "delay": "5s"},
    "rollback_config": {"order": "stop-first"},
    "update_config": {"parallelism": 2},
}


@pytest.mark.parametrize("key", KEPT)
def test_what_a_swarm_knows_is_kept(key: str) -> None:
    assert deploy_of(deploy={key: KEPT[key]}) == {key: KEPT[key]}


def test_the_rest_is_told() -> None:
    assert render_deploy("echo", {"deploy": {"replicas": 2, "new": 1}}) == ({"replicas": 2}, ["deploy.new"])


@pytest.mark.parametrize(
    ("definition", "resources"),
    [
        ({"mem_limit": "67108864"}, {"limits": {"memory": "67108864"}}),
        ({"mem_limit": 67108864}, {"limits": {"memory": "67108864"}}),
        ({"mem_reservation": "32m"}, {"reservations": {"memory": "32m"}}),
        ({"cpus": 0.5}, {"limits": {"cpus": "0.5"}}),
        ({"pids_limit": 100}, {"limits": {"pids": 100}}),
        ({"pids_limit": 0, "cpus": 0}, None),
        ({"deploy": {"resources": {"limits": {"cpus": 0.5, "pids": 1}}}}, {"limits": {"cpus": "0.5", "pids": 1}}),
        (
            {"cpus": 0.5, "deploy": {"resources": {"reservations": {"memory": "1m", "generic_resources": []}}}},
            {"limits": {"cpus": "0.5"}, "reservations": {"memory": "1m", "generic_resources": []}},
        ),
    ],
)
def test_limits_are_texts_under_resources(definition: dict[str, Any], resources: Any) -> None:
    assert deploy_of(**definition).get("resources") == resources


def test_a_device_is_refused() -> None:
    devices = {"resources": {"reservations": {"devices": [{"capabilities": ["gpu"]}]}}}
    with pytest.raises(ComposectlError, match=r"`deploy\.resources\.reservations\.devices`"):
        deploy_of(deploy=devices)


@pytest.mark.parametrize(
    ("restart", "policy"),
    [
        ("always", None),
        ("unless-stopped", None),
        ("no", {"condition": "none"}),
        ("on-failure", {"condition": "on-failure"}),
        ("on-failure:3", {"condition": "on-failure", "max_attempts": 3}),
    ],
)
def test_restart_is_a_policy(restart: Any, policy: Any) -> None:
    assert deploy_of(restart=restart).get("restart_policy") == policy


def test_a_policy_that_is_written_wins() -> None:
    written = {"restart_policy": {"condition": "any"}}
    assert deploy_of(deploy=written, restart="no", runs_once=True) == written


def test_what_runs_once_is_not_started_again_when_it_is_done() -> None:
    assert deploy_of(runs_once=True) == {"restart_policy": {"condition": "on-failure"}}
    assert deploy_of(runs_once=True, restart="always") == {}


def test_a_new_task_comes_before_an_old_one_goes_unless_the_file_says_otherwise() -> None:
    written = {"update_config": {"parallelism": 2}, "rollback_config": {"order": "stop-first"}}
    assert render_deploy("echo", {"deploy": written}, order="start-first")[0] == {
        "update_config": {"order": "start-first", "parallelism": 2},
        "rollback_config": {"order": "stop-first"},
    }
