"""Calls of gRPC on real proxies: all are answered with a message and a status, and counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hpack import Decoder

from bench import traced_calls
from bench.backends import Backends
from bench.figures import FAILED
from bench.grpc_servers import answering
from bench.parts import cpu, grpc
from bench.parts.part import Part
from tests.bench.conftest import started


@pytest.fixture(scope="module")
def servers(prepared: None) -> Iterator[Backends]:
    with TemporaryDirectory() as folder, answering(2, Path(folder)) as backends:
        yield backends


@pytest.mark.slow
@pytest.mark.parametrize("part", grpc.PARTS, ids=lambda part: part.name)
@pytest.mark.parametrize("name", ["nginx", "composectl"])
def test_all_calls_are_answered(name: str, part: Part, servers: Backends, tmp_path: Path) -> None:
    with started(name, servers, tmp_path) as target:
        reading = part.measure(target, 1)
    assert reading[FAILED] == 0
    assert reading[cpu.SPEED] > 0
    assert 0 < reading[cpu.CPU] < 10_000


def test_each_call_has_a_deadline_and_a_trace_of_its_own() -> None:
    blocks = traced_calls.blocks(80, count=100)
    decoder = Decoder()
    calls = [dict(decoder.decode(block)) for block in blocks * 2]
    assert calls[:100] == calls[100:]
    for name in ("grpc-timeout", "traceparent"):
        assert len({call[name] for call in calls}) == 100
    assert {call[":path"] for call in calls} == {"/helloworld.Greeter/SayHello"}
