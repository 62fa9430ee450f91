"""Every kind of load, on real proxies: all that was asked for is answered, and counted."""

from __future__ import annotations

import socket
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from bench import wrk
from bench.backends import ANSWER, FILES, Backends
from bench.downloads import download
from bench.parts import commands, cpu, killed
from bench.parts.part import Target
from bench.process import descriptors, resident, spent
from bench.servers import Servers
from bench.steady import steady
from tests.bench.conftest import started


def test_each_proxy_tells_which_backend_answered(proxy: Target, backends: Backends) -> None:
    (address,) = answered(proxy)["x-internal-service"]
    assert address in backends.addresses


def test_each_proxy_gives_each_request_an_id_of_its_own(proxy: Target) -> None:
    (first,), (other,) = answered(proxy)["x-request-id"], answered(proxy)["x-request-id"]
    assert len(first) >= 32
    assert first != other


def answered(proxy: Target) -> dict[str, list[str]]:
    """The fields of its whole answer, by their names in lower case."""
    with socket.create_connection(("127.0.0.1", proxy.port), 10) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
        head, _, body = b"".join(iter(lambda: client.recv(4096), b"")).decode().partition("\r\n\r\n")
    assert body == ANSWER.decode()
    fields = defaultdict(list)
    for name, _, value in (line.partition(": ") for line in head.split("\r\n")[1:]):
        fields[name.lower()].append(value)
    return fields


def test_requests_as_fast_as_they_go_are_all_answered(proxy: Target) -> None:
    outcome, reading = cpu.measure(wrk.Load(connections=16), proxy, 1)
    assert outcome.failed == 0
    assert outcome.requests > 0
    assert 0 < reading[cpu.CPU] < 10_000
    assert abs(reading[cpu.USER] + reading[cpu.SYSTEM] - reading[cpu.CPU]) < 1e-6


def test_uploads_and_fresh_connections_are_all_answered(ours: Target) -> None:
    for load in (wrk.Load(method="POST", body=16 * 1024), wrk.Load(close=True)):
        outcome = wrk.put(load, ours.port, 1)
        assert outcome.failed == 0
        assert outcome.requests > 0


def test_large_bodies_come_whole(proxy: Target) -> None:
    outcome = download(wrk.Load("/10m", connections=4), proxy.port, 1)
    assert outcome.failed == 0
    assert outcome.received >= outcome.requests * FILES["/10m"] > 0


def test_a_path_that_is_not_there_is_a_failure(ours: Target) -> None:
    assert wrk.put(wrk.Load("/missing"), ours.port, 1).failed > 0
    assert download(wrk.Load("/missing", connections=2), ours.port, 1).failed == 2


def test_at_a_fixed_rate_every_request_that_is_due_is_answered(proxy: Target) -> None:
    latency = steady(proxy.port, 500, 1)
    assert (latency.due, latency.failed) == (500, 0)
    assert 0 < latency.p50 <= latency.p99


def test_what_a_process_takes_is_seen(ours: Target) -> None:
    before = spent(ours.pid)
    wrk.put(wrk.Load(), ours.port, 1)
    took = spent(ours.pid) - before
    assert 0 < took.ran < 2
    assert resident(ours.pid) > 1
    assert descriptors(ours.pid) > 3


def test_the_short_commands_find_the_proxy_that_runs(ours: Target) -> None:
    reading = commands.PART.measure(ours, 1)
    assert reading[commands.FAILED] == 0
    assert 0 < reading[commands.VERSION] <= reading[commands.STATUS]


def test_backends_that_are_killed_cost_no_request(prepared: None, tmp_path: Path) -> None:
    with Servers(4, tmp_path) as servers, started("composectl", servers.backends, tmp_path) as target:
        reading = killed.measure(replace(target, servers=servers), 3, undisturbed=1)
    assert reading[killed.LOST] == reading[killed.FAILED] == 0
    assert reading[killed.SPEED] > 0
    assert reading[killed.P99] > 0
