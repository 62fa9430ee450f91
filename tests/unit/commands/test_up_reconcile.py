"""`up` on a composectl that runs: what it is asked for, and what is told of that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from composectl import errors
from composectl.commands.up import reconcile, update_running
from composectl.compose.client import LoadedProject
from composectl.compose.options import Invocation
from composectl.compose.project import Project
from composectl.config.up import make_up_config
from composectl.control.client import Client
from composectl.control.commands import RolloutRequest, ScaleRequest
from tests.support.options import flags


class PaperClient:
    """Tells what a daemon does of the services that it rolls out and scales."""

    def __init__(self, **outdated: int) -> None:
        self.outdated = outdated

    def scale(self, request: ScaleRequest) -> Iterator[str]:
        return (f"{service}: {count} of {count} ready" for service, count in request.desired.items())

    def rollout(self, request: RolloutRequest) -> Iterator[str]:
        for service, count in self.outdated.items():
            yield f"{service}: rolling out {count}, 1 at a time"
            yield f"{service}: {count} of {count} ready"


def told(client: PaperClient, before: dict[str, int], **scales: int) -> list[str]:
    return list(reconcile(cast(Client, client), scales, before, RolloutRequest(tuple(scales), "")))


def test_what_stays_as_it_was_is_told_once() -> None:
    assert told(PaperClient(), {"web": 2}, web=2) == ["web: 2 of 2 ready"]


def test_scaling_down_is_told_once() -> None:
    assert told(PaperClient(), {"web": 3, "api": 3}, web=2, api=1) == ["web: 2 of 2 ready", "api: 1 of 1 ready"]


def test_a_rollout_is_told_once() -> None:
    lines = told(PaperClient(web=2, api=1), {"web": 2, "api": 1}, web=2, api=1)
    assert [line for line in lines if line.endswith("ready")] == ["web: 2 of 2 ready", "api: 1 of 1 ready"]


def test_scaling_up_comes_after_the_rollout() -> None:
    lines = told(PaperClient(web=2), {"web": 2}, web=3)
    assert lines == ["web: rolling out 2, 1 at a time", "web: 2 of 2 ready", "web: 3 of 3 ready"]


@pytest.mark.parametrize(
    "definition", [{"build": "."}, {"image": "echo", "deploy": {"mode": "global"}}], ids=["build", "global"]
)
def test_what_a_swarm_cannot_do_is_refused_before_a_task_is_touched(definition: dict[str, Any]) -> None:
    options = flags(swarm=True)
    config = make_up_config({"web": 1}, options, ())
    project = Project("shop", {"services": {"web": definition}})
    loaded = LoadedProject(cast(Any, None), project, "")
    running = SimpleNamespace(
        info=SimpleNamespace(pid=7, has_stack=True, options={}),
        status=lambda: {"services": [{"service": "web", "desired": 2, "backends": []}]},
    )  # any request to change something would raise AttributeError
    invocation = Invocation((), None, None, {}, Path())
    with pytest.raises(errors.ComposectlError, match="service `web`"):
        update_running(invocation, options, config, loaded, cast(Client, running))
