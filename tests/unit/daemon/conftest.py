"""A daemon over an orchestrator that needs no engine; a test file may have an orchestrator of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from composectl.daemon.daemon import Daemon
from tests.support.fake_orchestrator import FakeOrchestrator, make_daemon


@pytest.fixture
def orchestrator() -> FakeOrchestrator:
    return FakeOrchestrator({"echo": 2})


@pytest.fixture
async def daemon(orchestrator: FakeOrchestrator, tmp_path: Path) -> AsyncIterator[Daemon]:
    daemon = make_daemon(orchestrator, tmp_path / "composectl")
    orchestrator.observe(daemon)
    yield daemon
    daemon.close()
