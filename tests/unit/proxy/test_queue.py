"""While no backend is ready, requests are queued: which of them go on, when and in which order."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest

from composectl.balance.policy import LeastRequest
from composectl.proxy.limits import QueueConfig
from composectl.proxy.protocol import Protocol
from composectl.proxy.sockets import raise_open_files
from tests.support.backends import answers
from tests.support.http2_client import GET as GET_FIELDS
from tests.support.http2_stage import http2
from tests.support.messages import GET, HEAD, OK, get, post, put, status
from tests.support.proxy_fixture import OpenStage, ProxyFixture
from tests.support.raw_http import PATIENCE, RawConnection, connect, fill
from tests.support.wait import wait_until_async
from tests.unit.proxy.test_server import Faulty

BUCKET_WIDTH = 1.125  # of what is measured, at most

UNAVAILABLE = b"503 Service Unavailable\n"


async def held(stage: ProxyFixture, request: bytes = GET) -> RawConnection:
    """A client whose request waits."""
    before, client = stage.queue.queued, await stage.client()
    await client.send(request)
    await wait_until_async(lambda: stage.queue.queued > before)
    return client


async def without_backends(open_stage: OpenStage, backends: int = 1, **how: object) -> ProxyFixture:
    stage = await open_stage(backends, **{"queue": QueueConfig(), **how})
    stage.observe([])
    return stage


async def test_p4_a_request_is_queued_until_a_backend_is_ready(open_stage: OpenStage) -> None:
    stage = await without_backends(open_stage)
    stage.backend.play(answers(OK))
    client = await held(stage)
    stage.seconds_pass(30)
    assert client.silent()
    stage.observe([0], run="second")
    assert status(await client.until(b"ok")) == 200  # no sweep is waited for
    assert (stage.queue.queued, stage.pool.leases.requests, stage.pool.leases.rejected) == (0, 1, 0)
    assert stage.pool.backends[0].latency.percentiles(50) != [None]


@pytest.mark.parametrize("request_", [post(b"hello"), HEAD, get("/", "Connection: close"), GET], ids=len)
async def test_p4_d5_a_request_queued_for_too_long_gets_a_503(open_stage: OpenStage, request_: bytes) -> None:
    stage = await without_backends(open_stage)
    client = await held(stage, request_)
    stage.seconds_pass(31)
    head = await client.head()
    assert status(head) == 503
    assert b"Retry-After: 1\r\n" in head
    assert b"X-Composectl-Error: no-backend-ready\r\n" in head
    assert (stage.queue.queued, stage.pool.leases.rejected) == (0, 1)


async def test_p4_the_connection_goes_on_after_it(open_stage: OpenStage) -> None:
    stage = await without_backends(open_stage)
    stage.backend.play(answers(OK))
    client = await held(stage)
    stage.seconds_pass(31)
    await client.until(UNAVAILABLE)
    stage.observe([0], run="second")
    await client.send(GET)
    assert status(await client.until(b"ok")) == 200


async def test_p4_each_is_queued_for_its_own_time(open_stage: OpenStage) -> None:
    stage = await without_backends(open_stage, queue=QueueConfig(10))
    first = await held(stage)
    stage.seconds_pass(5)
    second = await held(stage)
    stage.seconds_pass(6)
    await first.until(UNAVAILABLE)
    assert second.silent()
    stage.seconds_pass(5)
    await second.until(UNAVAILABLE)


async def test_p4_no_more_are_queued_than_may_be(open_stage: OpenStage) -> None:
    stage = await without_backends(open_stage, queue=QueueConfig(30, size=2))
    waiting = [await held(stage), await held(stage)]
    client = await stage.client()
    await client.send(GET)
    assert status(await client.until(UNAVAILABLE)) == 503
    stage.backend.play(answers(OK))
    stage.observe([0], run="second")
    assert [status(await client.until(b"ok")) for client in waiting] == [200, 200]


@pytest.mark.parametrize("config", [QueueConfig(0), QueueConfig(0, 0)])
async def test_d5_without_a_queue_no_request_waits(open_stage: OpenStage, config: QueueConfig) -> None:
    stage = await without_backends(open_stage, queue=config)
    client = await stage.client()
    await client.send(GET)
    assert status(await client.until(UNAVAILABLE)) == 503  # no sweep is waited for
    assert stage.queue.queued == 0


async def test_p4_first_come_first_served(open_stage: OpenStage) -> None:
    stage = await without_backends(open_stage, 3)
    clients = [await held(stage) for _ in range(3)]
    for backend in stage.backends:
        backend.play(answers(OK))
    stage.observe(range(3), run="second")
    for client, backend in zip(clients, stage.backends, strict=True):
        assert backend.address.encode() in await client.until(b"ok")


async def test_p4_a_newcomer_does_not_overtake_queued_requests(open_stage: OpenStage) -> None:
    stage = await without_backends(open_stage, 2)
    waiting = [await held(stage) for _ in range(65)]  # one more than two backends get at once
    for backend in stage.backends:
        backend.play(answers(OK))
    newcomer = await stage.client()
    stage.observe(range(2), run="second")
    await wait_until_async(lambda: stage.queue.queued <= 1)
    await newcomer.send(GET)
    assert stage.backends[0].address.encode() in await waiting[-1].until(b"ok")
    assert stage.backends[1].address.encode() in await newcomer.until(b"ok")


async def test_p4_a_newcomer_to_a_full_queue_is_served_at_once(open_stage: OpenStage) -> None:
    stage = await without_backends(open_stage, queue=QueueConfig(30, size=1))
    stage.backend.play(answers(OK))
    waiting, newcomer = await held(stage), await stage.client()
    stage.observe([0], run="second")
    await newcomer.send(GET)
    assert status(await newcomer.until(b"ok")) == 200
    assert status(await waiting.until(b"ok")) == 200


async def test_p4_all_ready_backends_share_the_queued_requests(open_stage: OpenStage) -> None:
    stage = await without_backends(open_stage, 5, policy=LeastRequest)
    for _ in range(100):
        await held(stage)
    stage.observe(range(5), run="second")
    await wait_until_async(lambda: not stage.queue.queued)
    assert [backend.in_flight for backend in stage.pool.backends] == [20] * 5


async def test_p4_the_first_ready_backend_does_not_get_them_all(open_stage: OpenStage) -> None:
    stage = await without_backends(open_stage, 2, policy=LeastRequest)
    for _ in range(100):
        await held(stage)
    stage.observe([0], run="second")
    await wait_until_async(lambda: stage.queue.queued < 100)
    stage.observe([0, 1], run="second")
    await wait_until_async(lambda: not stage.queue.queued)
    shares = [backend.in_flight for backend in stage.pool.backends]
    assert sum(shares) == 100
    assert min(shares) >= 1


async def test_p4_when_no_backend_is_ready_the_rest_stays_queued(open_stage: OpenStage) -> None:
    stage = await without_backends(open_stage)
    clients = [await held(stage) for _ in range(40)]
    stage.observe([0], run="second")
    await wait_until_async(lambda: stage.queue.queued < 40)
    stage.observe([])
    left = stage.queue.queued
    stage.backend.play(answers(OK))
    assert stage.queue.queued == left
    stage.observe([0], run="third")
    assert [status(await client.until(b"ok")) for client in clients] == [200] * 40


async def test_p4_a_thousand_are_queued_without_a_task_and_all_answered(open_stage: OpenStage) -> None:
    raise_open_files()
    stage = await without_backends(open_stage)
    stage.backend.play(answers(OK))
    tasks = len(asyncio.all_tasks())
    clients = [await stage.client() for _ in range(1000)]
    for client in clients:
        await client.send(GET)
    await wait_until_async(lambda: stage.queue.queued == 1000)
    assert len(asyncio.all_tasks()) == tasks
    began = time.process_time()
    stage.seconds_pass(20)
    assert time.process_time() - began < 1
    stage.observe([0], run="second")
    assert Counter([status(await client.head()) for client in clients]) == {200: 1000}
    assert stage.pool.leases.counters().failed == 0


async def test_p4_p8_a_client_that_leaves_leaves_the_line(open_stage: OpenStage) -> None:
    stage = await without_backends(open_stage)
    leaver, stayer = await held(stage), await held(stage)
    leaver.close()
    await wait_until_async(lambda: stage.queue.queued == 1)
    stage.backend.play(answers(OK))
    stage.observe([0], run="second")
    assert status(await stayer.until(b"ok")) == 200
    assert (stage.pool.leases.requests, len(stage.backend.wires)) == (1, 1)


async def test_p4_p8_so_does_one_whose_upload_waits(open_stage: OpenStage) -> None:
    stage = await without_backends(open_stage)
    client = await held(stage, post(b"x" * 1000, 2000))
    stage.seconds_pass(5)
    assert stage.queue.queued == 1
    await client.send(b"y" * 500)
    client.close()
    await wait_until_async(lambda: stage.seconds_pass(1) or not stage.queue.queued)
    assert stage.pool.leases.rejected == 0


async def test_p4_e5_the_rest_of_a_queued_upload_is_not_read(open_stage: OpenStage) -> None:
    stage = await without_backends(open_stage, receive_buffer=4096)
    client = await held(stage, post(b"", 1073741824))
    sent = await fill(client)
    stage.observe([0], run="second")
    backend = await stage.backend.accept()
    await backend.head()
    await backend.exactly(sent)


async def test_p4_an_upload_that_was_rejected_closes_the_connection(open_stage: OpenStage) -> None:
    stage = await without_backends(open_stage)
    client = await held(stage, post(b"x", 1000))
    stage.seconds_pass(31)
    head = await client.head()
    assert status(head) == 503
    assert b"Connection: close\r\n" in head


async def test_p4_a26_pipelined_requests_are_answered_in_their_order(open_stage: OpenStage) -> None:
    stage = await without_backends(open_stage)
    client = await held(stage, get("/1") + get("/2") + get("/3"))
    assert stage.queue.queued == 1
    stage.backend.play(echoes_the_path)
    stage.observe([0], run="second")
    assert [await client.until(mark) and mark for mark in (b"/1\n", b"/2\n", b"/3\n")]


async def echoes_the_path(wire: RawConnection) -> None:
    while True:
        path = (await wire.head()).split(b" ")[1] + b"\n"
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path))


async def test_p4_f10_when_composectl_ends_queued_requests_get_a_503(open_stage: OpenStage) -> None:
    stage = await without_backends(open_stage)
    client = await held(stage)
    await asyncio.wait_for(stage.shut_down(), PATIENCE)
    answer = await client.rest()
    assert status(answer) == 503
    assert b"Connection: close\r\n" in answer
    assert stage.queue.queued == 0


async def test_p4_p3_a_request_that_may_be_retried_waits_for_a_backend(open_stage: OpenStage) -> None:
    stage = await open_stage(2, queue=QueueConfig())
    stage.observe([0])
    client, backend = await stage.ask(put(b"hello"))
    await backend.exactly(len(await backend.head()) and 5)
    stage.leave(0)
    backend.reset()
    await wait_until_async(lambda: stage.queue.queued == 1)
    stage.observe([1], run="second")
    other = await stage.backends[1].accept()
    await other.head()
    assert await other.exactly(5) == b"hello"
    await other.send(OK)
    assert status(await client.until(b"ok")) == 200
    counters = stage.pool.leases.counters()
    assert (stage.pool.leases.requests, counters.retried, counters.failed) == (1, 1, 0)


async def test_p4_p3_a_retry_without_a_backend_is_a_503_counted_once(open_stage: OpenStage) -> None:
    stage = await open_stage(queue=QueueConfig())
    client, backend = await stage.ask(GET)
    await backend.head()
    stage.leave(0)
    backend.reset()
    await wait_until_async(lambda: stage.queue.queued == 1)
    stage.seconds_pass(31)
    head = await client.head()
    assert status(head) == 503
    assert b"X-Composectl-Error: no-backend-ready\r\n" in head
    assert (stage.pool.leases.requests, stage.pool.leases.counters().failed, stage.pool.leases.rejected) == (1, 1, 0)


async def test_p4_d1_h3_a_request_refused_by_all_waits_for_another(open_stage: OpenStage) -> None:
    stage = await open_stage(3, queue=QueueConfig())
    for backend in stage.backends[:2]:
        backend.refuse()
    stage.observe([0, 1])
    client = await held(stage, post(b"hello"))
    stage.leave(0)
    stage.leave(1)
    stage.seconds_pass(5)
    assert client.silent()
    stage.observe([2])
    other = await stage.backends[2].accept()
    await other.head()
    assert await other.exactly(5) == b"hello"
    await other.send(OK)
    assert status(await client.until(b"ok")) == 200
    assert (stage.pool.leases.requests, stage.pool.leases.counters().failed) == (1, 0)


async def test_p4_d1_h3_a_request_refused_at_its_last_try_waits_too(open_stage: OpenStage) -> None:
    stage = await open_stage(4, queue=QueueConfig())
    for backend in stage.backends[:3]:
        backend.refuse()
    stage.observe([0, 1, 2])
    client = await held(stage)
    stage.backends[3].play(answers(OK))
    stage.observe([3])
    assert status(await client.until(b"ok")) == 200


async def test_p4_d1_h3_a_backend_that_comes_back_by_itself_gets_the_requests_it_refused(open_stage: OpenStage) -> None:
    stage = await open_stage(queue=QueueConfig())
    stage.backend.refuse()
    clients = [await held(stage, request) for request in (GET, post(b"hello"), GET)]
    assert stage.phases() == ["unhealthy"]
    stage.seconds_pass(29)
    stage.backend.listen_again()
    stage.backend.play(answers(OK))
    stage.pool.checked(stage.pool.backends[0], None)
    assert [status(await client.until(b"ok")) for client in clients] == [200] * 3
    counters = stage.pool.leases.counters()
    assert (stage.pool.leases.requests, counters.requests, counters.failed) == (3, 5, 0)


async def test_p4_d1_d5_after_its_time_in_the_queue_it_is_a_503(open_stage: OpenStage) -> None:
    stage = await open_stage(queue=QueueConfig())
    stage.backend.refuse()
    client = await held(stage)
    stage.seconds_pass(30)
    assert client.silent()
    stage.seconds_pass(1)
    head = await client.head()
    assert status(head) == 503
    assert b"Retry-After: 1\r\n" in head
    assert b"X-Composectl-Error: no-backend-ready\r\n" in head
    assert (stage.pool.leases.requests, stage.pool.leases.counters().failed) == (1, 1)


async def test_p4_d1_its_time_is_over_whatever_was_tried_meanwhile(open_stage: OpenStage) -> None:
    stage = await open_stage(queue=QueueConfig(5))
    stage.backend.refuse()
    client = await held(stage)
    for _ in range(5):
        stage.seconds_pass(1)
        stage.pool.checked(stage.pool.backends[0], None)  # it accepts checks alone
        await wait_until_async(lambda: stage.phases() == ["unhealthy"] and stage.queue.queued == 1)
    assert client.silent()
    stage.seconds_pass(1)
    assert status(await client.head()) == 503


async def test_p4_d1_h3_on_a_port_that_is_not_checked_they_are_asked_again(open_stage: OpenStage) -> None:
    stage = await open_stage(2, queue=QueueConfig(), checked=False)
    for backend in stage.backends:
        backend.refuse()
    client = await held(stage)
    for backend in stage.backends:
        backend.listen_again()
        backend.play(answers(OK))
    assert status(await client.until(b"ok")) == 200  # no sweep is waited for
    assert stage.phases() == ["ready", "ready"]


async def test_p4_d1_on_a_port_that_is_not_checked_it_is_a_502_after_a_second(open_stage: OpenStage) -> None:
    stage = await open_stage(2, queue=QueueConfig(), checked=False)
    for backend in stage.backends:
        backend.refuse()
    client = await held(stage)
    stage.seconds_pass(1)
    attempts = stage.pool.leases.counters().requests
    await wait_until_async(lambda: stage.pool.leases.counters().requests > attempts)
    assert client.silent()
    stage.seconds_pass(1)
    assert b"X-Composectl-Error: backend-unreachable\r\n" in await client.head()
    assert (stage.pool.leases.requests, stage.pool.leases.counters().failed) == (1, 1)


async def test_p4_d1_a_request_is_not_queued_while_one_accepts(open_stage: OpenStage) -> None:
    stage = await open_stage(4, queue=QueueConfig())
    for backend in stage.backends[:3]:
        backend.refuse()
    stage.backends[3].play(answers(OK))
    client = await stage.client()
    await client.send(GET)
    assert status(await client.until(b"ok")) == 200
    assert stage.queue.queued == 0


async def test_p4_p3_a_get_without_a_byte_waits_for_its_backend(open_stage: OpenStage) -> None:
    stage = await open_stage(queue=QueueConfig())
    client, backend = await stage.ask(GET)
    await backend.head()
    stage.backend.refuse()
    backend.reset()
    await wait_until_async(lambda: stage.queue.queued == 1)
    stage.backend.listen_again()
    stage.backend.play(answers(OK))
    stage.pool.checked(stage.pool.backends[0], None)
    assert status(await client.until(b"ok")) == 200
    assert stage.pool.leases.counters().failed == 0


async def test_p4_waiting_adds_nothing_to_the_latency_of_a_backend(open_stage: OpenStage) -> None:
    stage = await open_stage(queue=QueueConfig())
    stage.backend.refuse()
    client = await held(stage)
    began = time.monotonic()
    await wait_until_async(lambda: time.monotonic() - began > 0.3)
    stage.backend.listen_again()
    stage.backend.play(answers(OK))
    sent = time.monotonic()
    stage.pool.checked(stage.pool.backends[0], None)
    await client.until(b"ok")
    milliseconds = 1000 * (time.monotonic() - sent)
    (slowest,) = stage.pool.backends[0].latency.percentiles(100)
    assert slowest is not None
    assert slowest <= BUCKET_WIDTH * milliseconds + 1


async def test_p4_d7_a_post_that_a_backend_may_have_got_is_not_queued(open_stage: OpenStage) -> None:
    stage = await open_stage(queue=QueueConfig())
    client, backend = await stage.ask(post(b"hello"))
    await backend.head()
    stage.leave(0)
    backend.reset()
    assert status(await client.head()) == 502


async def test_p4_d12_a_fault_over_a_queued_request_holds_up_no_other(open_stage: OpenStage) -> None:
    faulty = Faulty()
    stage = await without_backends(open_stage, policy=lambda: faulty)
    stage.backend.play(answers(OK))
    client = await held(stage)
    faulty.armed = True
    stage.observe([0], run="second")
    assert status(await client.rest()) == 500
    faulty.armed = False
    other = await connect(stage.address)
    await other.send(GET)
    assert status(await other.until(b"ok")) == 200
    other.close()
    assert [str(error["exception"]) for error in stage.errors] == ["a fault of ours"]
    stage.errors.clear()


# What wakes a service that sleeps


@pytest.mark.parametrize("request_", [GET, post(b"hello")], ids=["get", "post"])
async def test_a_request_without_a_backend_is_told_of(open_stage: OpenStage, request_: bytes) -> None:
    stage = await without_backends(open_stage)
    assert stage.woken == 0
    await held(stage, request_)
    assert stage.woken == 1


async def test_so_are_a_stream_and_a_connection(open_stage: OpenStage) -> None:
    stage = await without_backends(open_stage)
    client = await http2(stage)
    await client.ask(GET_FIELDS)
    await wait_until_async(lambda: stage.woken == 1)
    tcp = await without_backends(open_stage, protocol=Protocol.TCP)
    await tcp.client()
    await wait_until_async(lambda: tcp.woken == 1)


async def test_a_client_that_asks_for_nothing_is_not(open_stage: OpenStage) -> None:
    stage = await without_backends(open_stage)
    client = await stage.client()
    await client.send(b"GET / HT")
    await http2(stage)
    stage.seconds_pass(3)
    assert stage.woken == 0
