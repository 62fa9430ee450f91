"""How replicas are reached."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from composectl.engine.client import Engine
from composectl.engine.containers import CONTAINER_ADDRESS, Addressing
from composectl.orchestrator.addressing import (
    AUTO,
    CONTAINER,
    PUBLISHED,
    ChosenAddressing,
    choose_addressing,
    first_reachable,
)
from tests.support.fake_engine import FakeEngine

AT_LOOPBACK = Addressing("127.0.0.1")
NO_ADDRESS = "255.255.255.255"


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeEngine]:
    async with FakeEngine(tmp_path / "docker.sock").serving() as engine:
        yield engine


@pytest.fixture
async def engine(fake: FakeEngine) -> AsyncIterator[Engine]:
    engine = await Engine.connect(fake.endpoint)
    yield engine
    engine.close()


async def test_what_is_asked_for_is_so(engine: Engine) -> None:
    assert await choose_addressing(CONTAINER, engine) == ChosenAddressing(CONTAINER_ADDRESS, "as asked")
    assert await choose_addressing(PUBLISHED, engine) == ChosenAddressing(AT_LOOPBACK, "as asked")


async def test_container_addresses_are_used_where_networks_answer(fake: FakeEngine, engine: Engine) -> None:
    fake.bridge_addresses = [NO_ADDRESS, "127.0.0.1"]
    found = await choose_addressing(AUTO, engine)
    assert found.addressing == CONTAINER_ADDRESS
    assert found.sentence == "replicas are reached at their own addresses: the engine's networks answer at 127.0.0.1"


async def test_where_they_do_not_answer_replicas_publish_ports_for_us(fake: FakeEngine, engine: Engine) -> None:
    fake.bridge_addresses = [NO_ADDRESS]
    found = await choose_addressing(AUTO, engine)
    assert found.addressing == AT_LOOPBACK
    assert found.sentence == (
        f"replicas are reached at ports of 127.0.0.1: {NO_ADDRESS} on the engine's network does not answer"
    )


async def test_an_engine_that_reports_isolation_is_believed(fake: FakeEngine, engine: Engine) -> None:
    fake.bridge_addresses = ["127.0.0.1"]  # perhaps another engine's
    fake.info = {"SecurityOptions": ["name=rootless"]}
    assert await choose_addressing(AUTO, engine) == ChosenAddressing(AT_LOOPBACK, "the engine is rootless")


async def test_without_any_network_to_try_addresses_are_taken(engine: Engine) -> None:
    assert (await choose_addressing(AUTO, engine)).addressing == CONTAINER_ADDRESS


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("tcp://192.0.2.7:2376", ChosenAddressing(Addressing("192.0.2.7"), "the engine is on 192.0.2.7")),
        ("tcp://[2001:db8::7]:2376", ChosenAddressing(Addressing("2001:db8::7"), "the engine is on 2001:db8::7")),
        ("tcp://localhost:2376", ChosenAddressing(AT_LOOPBACK, "the engine is rootless")),
        ("tcp://127.1.2.3:2376", ChosenAddressing(AT_LOOPBACK, "the engine is rootless")),
    ],
)
async def test_replicas_of_another_machine_publish_at_its_address(
    fake: FakeEngine, engine: Engine, url: str, found: ChosenAddressing
) -> None:
    fake.info = {"SecurityOptions": ["name=rootless"]}
    engine = replace(engine, endpoint=replace(engine.endpoint, url=url))
    assert await choose_addressing(AUTO, engine) == found


# Whether something answers at an address


async def test_a_refusal_is_an_answer() -> None:
    assert await first_reachable(["127.0.0.1"]) == "127.0.0.1"


async def test_an_address_of_no_machine_gives_no_answer() -> None:
    assert await first_reachable(["255.255.255.255", "no address"]) == ""
    assert await first_reachable([]) == ""


async def test_the_first_that_answers_is_told() -> None:
    assert await first_reachable(["255.255.255.255", "127.0.0.2", "127.0.0.1"]) == "127.0.0.2"
