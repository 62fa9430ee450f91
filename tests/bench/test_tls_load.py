"""Load over TLS on real proxies: all is answered, and counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from bench.backends import Backends
from bench.figures import FAILED
from bench.parts import cpu, https
from bench.parts.part import Part
from bench.tls_load import encrypted
from tests.bench.conftest import started


@pytest.fixture(scope="module")
def servers(prepared: None) -> Iterator[Backends]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx gives up being root
        with encrypted(2, folder) as backends:
            yield backends


@pytest.mark.slow
@pytest.mark.parametrize("part", https.PARTS, ids=lambda part: part.name)
@pytest.mark.parametrize("name", ["nginx", "composectl"])
def test_all_requests_are_answered(name: str, part: Part, servers: Backends, tmp_path: Path) -> None:
    with started(name, servers, tmp_path) as target:
        reading = part.measure(target, 1)
    assert reading[FAILED] == 0
    assert reading[cpu.SPEED] > 0
    assert 0 < reading[cpu.CPU] < 20_000
    assert reading[https.PER_CPU_SECOND] > 50
