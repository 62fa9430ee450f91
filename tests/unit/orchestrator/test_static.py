"""Static backends are reported once."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from composectl import errors
from composectl.balance.backend import Replica
from composectl.orchestrator.static import StaticOrchestrator
from tests.support.factories import replica
from tests.support.fake_orchestrator import FakeOrchestrator


class Reports:
    def __init__(self) -> None:
        self.listed: list[tuple[str, list[Replica]]] = []

    def replicas_listed(self, service: str, replicas: list[Replica]) -> None:
        self.listed.append((service, replicas))


async def test_all_are_reported_once_and_nothing_ends_the_watch() -> None:
    reports, replicas = Reports(), [replica(1), replica(2)]
    orchestrator = StaticOrchestrator("proxy", replicas, errors.fixed_backends("edge"))
    watching = asyncio.create_task(orchestrator.watch(reports))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    assert reports.listed == [("proxy", replicas)]
    assert not watching.done()
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching


@pytest.mark.parametrize(("count", "words"), [(1, "1 backend"), (2, "2 backends")])
def test_they_are_counted_in_words(count: int, words: str) -> None:
    replicas = [replica(number) for number in range(1, count + 1)]
    orchestrator = StaticOrchestrator("proxy", replicas, errors.fixed_backends("edge"))
    assert orchestrator.describe("proxy") == words
    assert orchestrator.desired == {"proxy": count}


def test_it_makes_no_replicas() -> None:
    orchestrator = StaticOrchestrator("proxy", [], errors.fixed_backends("edge"))
    with pytest.raises(errors.ComposectlError, match="edge"):
        orchestrator.check_managed()


@pytest.mark.parametrize(("count", "words"), [(0, "0 replicas"), (1, "1 replica"), (2, "2 replicas")])
def test_one_replica_is_not_several(count: int, words: str) -> None:
    assert FakeOrchestrator({"echo": count}).describe("echo") == words
