"""What a successor asks of the composectl that runs."""

from __future__ import annotations

import pytest

from composectl.control.commands import DaemonInfo
from composectl.daemon.hot_restart import check_same_kind
from composectl.errors import ComposectlError


def running(**options: str) -> DaemonInfo:
    return DaemonInfo("shop", 4711, "/srv/shop", (), options=options)


def test_both_have_a_stack_or_none() -> None:
    check_same_kind(running(), stack=False)
    check_same_kind(running(swarm="False"), stack=False)
    check_same_kind(running(swarm="True"), stack=True)


def test_containers_are_no_stack() -> None:
    with pytest.raises(ComposectlError, match=r"running composectl \(process 4711\): it has no stack") as refused:
        check_same_kind(running(swarm="False"), stack=True)
    assert "`composectl down`" in refused.value.hint


def test_a_stack_is_not_continued_as_containers() -> None:
    with pytest.raises(ComposectlError, match="has a stack of a swarm") as refused:
        check_same_kind(running(swarm="True"), stack=False)
    assert refused.value.hint == "add `--swarm`"
