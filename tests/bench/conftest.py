"""The proxies and their backends as the benchmark starts them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from bench.backends import Backends, serving
from bench.parts.part import Target
from bench.peers.all import PEERS
from bench.peers.peer import Place
from bench.ports import free_ports
from tests.support.paths import ROOT

PREPARE = ROOT / "bench" / "prepare"


@pytest.fixture(scope="session")
def prepared() -> None:
    subprocess.run([PREPARE, "haproxy"], check=True)


@pytest.fixture(scope="session")
def backends(prepared: None) -> Iterator[Backends]:
    every = Backends(4, free_ports(1)[0])
    with TemporaryDirectory() as folder, serving(every, Path(folder)):
        yield every


@pytest.fixture(params=["nginx", "composectl", "composectl-quiet"])
def proxy(request: pytest.FixtureRequest, backends: Backends, tmp_path: Path) -> Iterator[Target]:
    with started(request.param, backends, tmp_path) as target:
        yield target


@pytest.fixture
def ours(backends: Backends, tmp_path: Path) -> Iterator[Target]:
    with started("composectl", backends, tmp_path) as target:
        yield target


@contextmanager
def started(name: str, backends: Backends, folder: Path) -> Iterator[Target]:
    place = Place(free_ports(1)[0], backends, folder)
    with PEERS[name].start(place) as pid:
        yield Target(pid, place.port, folder)
