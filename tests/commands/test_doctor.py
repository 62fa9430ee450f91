"""What is found of an engine whose networks are elsewhere, as is seldom so here."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from composectl.commands.doctor import doctor
from composectl.commands.invocation import Invocation
from composectl.compose.options import Options
from tests.engine.fake_engine import FakeEngine


async def told(folder: Path, gateways: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    compose = folder / "compose"
    compose.write_text("#!/bin/sh\necho 2.40.3\n")
    compose.chmod(0o700)
    engine = FakeEngine(folder / "engine.sock")
    engine.gateways = gateways
    environ = {"COMPOSECTL_COMPOSE": str(compose), "XDG_RUNTIME_DIR": str(folder), "DOCKER_HOST": engine.endpoint.url}
    async with engine.serving():
        exit_code = await asyncio.to_thread(
            doctor, Invocation(Options(), None, None, environ, folder), as_machine=False
        )
    printed = capsys.readouterr().out
    assert exit_code == ("✗ reach" in printed)
    return printed


async def test_networks_that_do_not_answer_are_out_of_reach(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        """\
✓ engine      20.10.24, API 1.41 of 1.12 to 1.41
✗ reach       the engine's networks cannot be reached from here: 255.255.255.255 does not answer
              hint: run composectl beside the engine: Docker Desktop and rootless engines keep their networks apart
"""
        in await told(tmp_path, ["255.255.255.255"], capsys)
    )


async def test_one_that_answers_is_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "✓ reach       containers have addresses that can be reached, beside 127.0.0.1\n" in await told(
        tmp_path, ["255.255.255.255", "127.0.0.1"], capsys
    )


async def test_without_a_network_nobody_knows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "✓ reach       not known: the engine has no bridge network yet\n" in await told(tmp_path, [], capsys)
