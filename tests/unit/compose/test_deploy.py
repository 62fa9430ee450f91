"""What a definition says of updates and of hooks, as `config` prints it."""

from __future__ import annotations

from typing import Any

import pytest

from composectl.compose.deploy import Hook, pre_stop_hooks, update_config
from composectl.compose.override import render
from composectl.compose.update_config import UpdateConfig


def rendered(**definition: Any) -> bytes:
    return render({"services": {"echo": definition, "other": {}}})


def test_nothing_is_written_where_nothing_is_said() -> None:
    for service in ("echo", "other", "missing"):
        assert update_config(rendered(deploy={"replicas": 2}), service) == UpdateConfig()
        assert pre_stop_hooks(rendered(), service) == ()


def test_all_that_is_written_is_read() -> None:
    written = {"parallelism": 2, "delay": "1m5s", "order": "stop-first", "monitor": "15s", "failure_action": "rollback"}
    assert update_config(rendered(deploy={"update_config": written}), "echo") == UpdateConfig(
        2, 65.0, 15.0, stop_first=True, failure_action="rollback"
    )


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ({"parallelism": 0}, UpdateConfig(0)),
        ({"monitor": "0s"}, UpdateConfig(monitor=0.0)),
        ({"order": "start-first"}, UpdateConfig()),
        ({"failure_action": "pause"}, UpdateConfig(failure_action="pause")),
    ],
)
def test_a_key_that_is_written_alone_leaves_the_others(written: dict[str, Any], read: UpdateConfig) -> None:
    assert update_config(rendered(deploy={"update_config": written}), "echo") == read


def test_hooks_come_in_their_order_with_all_that_they_say() -> None:
    hooks = [
        {"command": ["sh", "-c", "echo $$HOME"], "user": "root", "privileged": True, "working_dir": "/srv"},
        {"command": "flush 'all of it'", "environment": {"A": "1", "B": None}},
        {"command": ["true"], "environment": ["C=$$x"]},
    ]
    assert pre_stop_hooks(rendered(pre_stop=hooks), "echo") == (
        Hook(("sh", "-c", "echo $HOME"), "root", True, "/srv"),
        Hook(("flush", "all of it"), environment=("A=1",)),
        Hook(("true",), environment=("C=$x",)),
    )
