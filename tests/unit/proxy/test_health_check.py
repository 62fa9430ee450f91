"""Active health checks: each backend is checked, and no check waits for another."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from composectl.balance.backend import ContainerHealth, Replica, Transition
from composectl.balance.phase import Phase
from composectl.balance.policy import LeastRequest
from composectl.balance.pool import Pool
from composectl.proxy.health_check import HealthCheck, HealthMonitor, make_health_check
from tests.support.backends import ScriptedBackend, answers, listen_on
from tests.support.raw_http import PATIENCE, RawConnection
from tests.support.wait import wait_until_async

OFTEN = HealthCheck(interval=0.001, timeout=PATIENCE)
CHECKS = HealthCheck("/healthz", interval=0.001, timeout=PATIENCE)
WELL = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
UNWELL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


class Watch:
    """A pool whose backends are probed, and what it told."""

    def __init__(self, replicas: Sequence[Replica]) -> None:
        self.changes: list[Transition] = []
        self.pool = Pool("echo", LeastRequest(), time.time, lambda change, _: self.changes.append(change))
        self.pool.sync(replicas)

    def phases(self) -> list[Phase]:
        return [backend.phase for backend in self.pool.backends]

    @asynccontextmanager
    async def watching(
        self, backend: ScriptedBackend, probes: HealthCheck = OFTEN, port: int = 0
    ) -> AsyncIterator[None]:
        task = asyncio.create_task(HealthMonitor(self.pool, port or backend.port, probes).run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await backend.close()


async def test_a_replica_that_listens_is_ready_also_after_a_failure() -> None:
    (backend,) = listen_on(["127.0.0.1"])
    watch = Watch([replica(1, backend.host), replica(2, "127.0.0.2")])
    async with watch.watching(backend):
        await wait_until_async(lambda: watch.phases() == [Phase.READY, Phase.STARTING])
        with socket.create_server(("127.0.0.2", backend.port)):
            await wait_until_async(lambda: watch.phases() == [Phase.READY, Phase.READY])
            watch.pool.sync([replica(1, backend.host, ContainerHealth.UNHEALTHY), replica(2, "127.0.0.2")])
            assert watch.phases() == [Phase.UNHEALTHY, Phase.READY]
            watch.pool.sync([replica(1, backend.host), replica(2, "127.0.0.2")])
            await wait_until_async(lambda: watch.phases() == [Phase.READY, Phase.READY])


async def test_what_docker_holds_for_unwell_is_not_asked() -> None:
    unwell, other = listen_on(["127.0.0.1", "127.0.0.2"])
    other.play(answers(WELL))
    watch = Watch([replica(1, unwell.host, ContainerHealth.UNHEALTHY), replica(2, other.host)])
    async with watch.watching(other, CHECKS):
        await wait_until_async(lambda: len(other.wires) > 5)
        assert unwell.untouched()
    await unwell.close()


async def test_a_replica_with_a_port_of_its_own_is_asked_there() -> None:
    (backend,) = listen_on(["127.0.0.1"])
    watch = Watch([replica(1, backend.host, port=backend.port)])
    async with watch.watching(backend, port=1):
        await wait_until_async(lambda: watch.pool.ready == 1)


async def test_a_silent_replica_keeps_no_other_waiting() -> None:
    silent, other = listen_on(["127.0.0.1", "127.0.0.2"])
    other.play(answers(WELL))
    watch = Watch([replica(1, silent.host), replica(2, other.host)])
    async with watch.watching(other, HealthCheck("/", interval=0.001, timeout=PATIENCE)):
        await wait_until_async(lambda: len(other.wires) > 5)
        assert watch.phases() == [Phase.STARTING, Phase.READY]
        wire = await silent.accept()
        await wire.head()
        assert no_other_waits(silent)
        wire.close()
    await silent.close()


async def test_three_failed_checks_remove_and_one_passed_restores() -> None:
    first, other = listen_on(["127.0.0.1", "127.0.0.2"])
    answer = WELL

    async def says(wire: RawConnection) -> None:
        await wire.head()
        await wire.send(answer)

    first.play(says)
    other.play(answers(WELL))
    watch = Watch([replica(1, first.host), replica(2, other.host)])
    async with watch.watching(first, CHECKS):
        await wait_until_async(lambda: watch.phases() == [Phase.READY, Phase.READY])
        answer = UNWELL
        await wait_until_async(lambda: watch.phases() == [Phase.UNHEALTHY, Phase.READY])
        answer = WELL
        await wait_until_async(lambda: watch.phases() == [Phase.READY, Phase.READY])
    assert [change.reason for change in watch.changes if change.number == 1] == [
        "/healthz answered 200",
        "/healthz answered 503",
        "/healthz answered 200",
    ]
    await other.close()


async def test_one_that_does_not_answer_its_check_in_time_fails_it() -> None:
    silent, other = listen_on(["127.0.0.1", "127.0.0.2"])
    other.play(answers(WELL))
    watch = Watch([replica(1, silent.host, ContainerHealth.HEALTHY), replica(2, other.host)])
    async with watch.watching(silent, HealthCheck("/", interval=0.001, timeout=0.1)):
        await wait_until_async(lambda: watch.phases() == [Phase.UNHEALTHY, Phase.READY])
    # A busy machine may keep the other one from answering in time now and then.
    assert [change.reason for change in watch.changes if change.number == 1][-1] == "no answer in time"
    await other.close()


async def test_ready_replicas_behind_a_relay_are_checked_too() -> None:
    first, other = listen_on(["127.0.0.1", "127.0.0.2"])
    reached = True

    async def relays(wire: RawConnection) -> None:
        if not reached:
            wire.close()

    first.play(relays)
    watch = Watch([replica(1, first.host), replica(2, other.host)])
    async with watch.watching(first, HealthCheck(interval=0.001, timeout=PATIENCE, relayed=True)):
        await wait_until_async(lambda: watch.phases() == [Phase.READY, Phase.READY])
        reached = False
        await wait_until_async(lambda: watch.phases() == [Phase.UNHEALTHY, Phase.READY])
        reached = True
        await wait_until_async(lambda: watch.phases() == [Phase.READY, Phase.READY])
    assert [change.reason for change in watch.changes if change.number == 1][1] == "its port accepts, and hangs up"
    await other.close()


@pytest.mark.parametrize(
    ("path", "relayed", "expected"),
    [
        ("", False, HealthCheck("", 0.2, 1.0)),
        ("", True, HealthCheck("", 0.5, 1.0, relayed=True)),
        ("/up", False, HealthCheck("/up", 1.0, 2.0)),
        ("/up", True, HealthCheck("/up", 1.0, 2.0)),
    ],
)
async def test_ports_are_checked_five_times_a_second_and_paths_once(
    path: str, relayed: bool, expected: HealthCheck
) -> None:
    assert make_health_check(path, relayed=relayed) == expected


def test_a_check_by_grpc_is_for_a_service_or_for_the_whole_server() -> None:
    assert make_health_check("", grpc="shop.Cart") == HealthCheck("", 1.0, 2.0, grpc="shop.Cart")
    assert make_health_check("", grpc="true", relayed=True) == HealthCheck("", 1.0, 2.0, grpc="")
    assert HealthCheck(grpc="").subject(50051) == "grpc.health.v1 at port 50051"


def test_the_host_of_a_check_is_localhost_unless_another_is_named() -> None:
    assert make_health_check("/up").name == b"localhost"
    assert make_health_check("/up", b"shop.example") == HealthCheck("/up", 1.0, 2.0, name=b"shop.example")


def no_other_waits(backend: ScriptedBackend) -> bool:
    """Whether it was asked no second time before it has answered."""
    backend.wires.clear()
    return backend.untouched()


def replica(number: int, host: str, report: ContainerHealth = ContainerHealth.NONE, port: int = 0) -> Replica:
    return Replica(f"{number:064x}", "", number, f"echo-{number}", host, report, ports=((1, port),) if port else ())
