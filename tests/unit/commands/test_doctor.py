"""What is found of an engine whose networks are elsewhere, as is seldom so here."""

from __future__ import annotations

from pathlib import Path

from composectl.commands.doctor import are_well, as_text, examine
from composectl.compose.options import Invocation, Options
from tests.support.fake_engine import FakeEngine


async def report(folder: Path, bridge_addresses: list[str]) -> str:
    compose = folder / "compose"
    compose.write_text("#!/bin/sh\necho 2.40.3\n")
    compose.chmod(0o700)
    engine = FakeEngine(folder / "engine.sock")
    engine.bridge_addresses = bridge_addresses
    environ = {"COMPOSECTL_COMPOSE": str(compose), "XDG_RUNTIME_DIR": str(folder), "DOCKER_HOST": engine.endpoint.url}
    async with engine.serving():
        checks = await examine(Invocation(Options(), None, None, environ, folder))
    printed = as_text(checks, "utf-8")
    assert are_well(checks) == ("✗ backends" not in printed)
    return printed


async def test_networks_that_do_not_answer_and_the_ports_instead(tmp_path: Path) -> None:
    assert (
        """\
✓ engine      20.10.24, API 1.41 of 1.12 to 1.41
✓ backends    replicas are reached at ports of 127.0.0.1: 255.255.255.255 on the engine's network does not answer
"""
        in await report(tmp_path, ["255.255.255.255"])
    )


async def test_one_that_answers_is_enough(tmp_path: Path) -> None:
    assert (
        "✓ backends    replicas are reached at their own addresses: the engine's networks answer at 127.0.0.1\n"
        in await report(tmp_path, ["255.255.255.255", "127.0.0.1"])
    )
