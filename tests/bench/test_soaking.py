"""Each client of the soak, once; and what makes a soak pass."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from bench.backends import Backends, serving
from bench.parts.part import Target
from bench.peers.all import PEERS
from bench.peers.peer import Place
from bench.ports import free_ports
from bench.soaking import aborting, clients
from bench.soaking.__main__ import put_into
from bench.soaking.clients import Client
from bench.soaking.echo import echoing
from bench.soaking.outcomes import Outcomes
from bench.soaking.page import Soak, page
from bench.soaking.samples import Held, drift, mean

_ABORTED = "aborted clients"


@pytest.fixture
async def proxy(prepared: None, tmp_path: Path) -> AsyncIterator[Target]:
    port, backend_port, echo_port = free_ports(3)
    with TemporaryDirectory() as folder:
        backends = Backends(2, backend_port)
        async with echoing(echo_port):
            place = Place(port, backends, tmp_path)
            with serving(backends, Path(folder), echo_port), PEERS["composectl-quiet"].start(place) as pid:
                yield Target(pid, port, tmp_path)


@pytest.mark.parametrize(
    ("client", "ended"),
    [
        (clients.upload, {("uploads", "whole"): 1}),
        (clients.websocket, {("websockets", "messages echoed"): 20, ("websockets", "closed in order"): 1}),
        (aborting.mid_head, {(_ABORTED, "mid-request"): 1}),
        (aborting.mid_upload, {(_ABORTED, "mid-upload"): 1}),
        (aborting.mid_download, {(_ABORTED, "mid-download"): 1}),
        (aborting.mid_frame, {(_ABORTED, "mid-frame"): 1}),
    ],
)
async def test_each_client_ends_as_it_should(proxy: Target, client: Client, ended: dict[tuple[str, str], int]) -> None:
    outcomes = Outcomes()
    await client(proxy.port, outcomes)
    assert dict(outcomes.expected) == ended
    assert not outcomes.unexplained


def test_what_grows_by_more_than_a_twentieth_is_not_flat() -> None:
    warm_up = [1.0] * 5
    assert drift([*warm_up, *[100.0] * 10, *[105.0] * 10]).is_flat
    assert not drift([*warm_up, *[100.0] * 10, *[106.0] * 10]).is_flat
    assert not drift([*warm_up, *[100.0] * 10, *[94.0] * 10]).is_flat


def test_a_sample_is_the_mean_of_its_readings() -> None:
    assert mean([Held(1, 10, 100), Held(2, 20, 201)]) == Held(2, 15, 150.5)


def test_a_page_takes_the_place_of_the_one_before_it_with_as_many_workers() -> None:
    soak = Soak("2026-01-31", "a machine", 2, Outcomes(), [Held(0, 1, 1)] * 9, (Held(0, 1, 1),) * 2, "")
    alone, of_two = page(soak), page(replace(soak, workers=2, commit="abc1234"))
    assert "# Soak with 2 workers\n\nWritten by `bench/soak 2 --workers 2` at abc1234, 2026-01-31" in of_two
    both = put_into(put_into("", of_two), alone)
    assert both.startswith("# Soak\n")
    assert both.count("# Soak") == 2
    assert put_into(both, of_two.replace("abc1234", "def5678")) == both.replace("abc1234", "def5678")


def test_a_page_tells_what_is_unexplained_and_what_grew() -> None:
    outcomes = Outcomes()
    outcomes.ended("churn", "answered", 1234)
    held = [Held(5.0 * number, 40.0, 100) for number in range(1, 21)]
    soak = Soak("2026-01-31", "a machine", 2, outcomes, held, (held[0], held[-1]), "1,234 requests")
    assert soak.passed
    assert "0 unexplained errors.\nMemory flat: first third 40.0, last third 40.0 MiB (+0.0%)." in page(soak)
    assert "| churn: answered | 1,234 |" in page(soak)
    grown = replace(soak, held=[replace(sample, memory=40 + sample.at) for sample in held])
    assert not grown.passed
    assert "Memory NOT FLAT" in page(grown)
    outcomes.failed("churn", "reset", 0)
    assert soak.passed
    outcomes.failed("churn", "reset", 2)
    assert not soak.passed
    assert "2 unexplained errors." in page(soak)
    assert "| churn: reset | 2 |" in page(soak)
