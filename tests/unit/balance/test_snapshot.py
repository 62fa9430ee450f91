"""The picture of everything, and its JSON."""

import json
from dataclasses import replace

import pytest

from composectl.balance.backend import join_address
from composectl.balance.snapshot import VERSION, PortView, Snapshot, iso, view_service
from tests.support.factories import RecordedPool, replica

KEYS = {"service", "policy", "listeners", "desired", "since", "totals", "backends", "changes", "ports"}
TOTALS = {
    *("requests", "in_flight", "failed", "retried", "queued", "responses"),
    *("failed_for", "retried_for", "bad_requests", "changes", "rollouts"),
    *("connections", "connections_total", "bytes_received", "bytes_sent", "sessions_moved"),
}
BACKEND = {
    *("number", "id", "name", "address", "phase", "in_flight", "requests", "failed", "retried", "responses"),
    *("p50_ms", "p95_ms", "p99_ms", "since", "canary", "histogram", "total_ms"),
    *("connections", "connections_total", "bytes_received", "bytes_sent"),
    *("bytes_received_per_second", "bytes_sent_per_second"),
}


def snapshot(watched: RecordedPool) -> Snapshot:
    service = view_service(
        watched.pool,
        policy="p2c",
        listeners=["[::]:80"],
        desired=2,
        queued=3,
        port=9090,
        changes=watched.changes,
        rollouts={"done": 1},
        ports=[PortView(80, ("[::]:80",), "tcp", {"tcp": 5})],
        redirect_http=["[::]:8080"],
    )
    return Snapshot(VERSION, "shop", (service,))


def test_the_keys_are_the_documented_ones() -> None:
    document = snapshot(RecordedPool(2)).as_json()
    service = document["services"][0]
    assert (document["version"], document["project"]) == (1, "shop")
    assert set(service) >= KEYS
    assert set(service["totals"]) == TOTALS
    assert service["totals"]["queued"] == 3
    assert set(service["backends"][0]) >= BACKEND
    port = {"port": 80, "listeners": ("[::]:80",), "protocol": "tcp", "recognised": {"tcp": 5}}
    assert service["ports"] == [port]
    assert service["redirect_http"] == ("[::]:8080",)
    assert set(service["totals"]["responses"]) == {"1xx", "2xx", "3xx", "4xx", "5xx"}


def test_a_canary_has_its_share() -> None:
    watched = RecordedPool(2)
    watched.pool.leases.begin_canary({watched.backend(1).replica.id}, 0.1)
    assert [backend.canary for backend in snapshot(watched).services[0].backends] == [None, 0.1]


def test_that_of_an_earlier_version_tells_of_no_canary() -> None:
    document = snapshot(RecordedPool(1)).as_json()
    del document["services"][0]["backends"][0]["canary"]
    assert Snapshot.from_json(document) == Snapshot.from_json(snapshot(RecordedPool(1)).as_json())


def test_connections_and_bytes_are_counted_and_those_of_a_backend_that_is_gone_too() -> None:
    watched = RecordedPool(2)
    for number in (1, 2):
        counted = watched.backend(number)
        counted.connections, counted.connections_total = number, 10 * number
        counted.bytes_received, counted.bytes_sent = 100 * number, 1000 * number
    watched.pool.leases.sample()
    seen = snapshot(watched).services[0].backends[1]
    assert (seen.connections, seen.connections_total, seen.bytes_received, seen.bytes_sent) == (2, 20, 200, 2000)
    assert (seen.bytes_received_per_second, seen.bytes_sent_per_second) == (200, 2000)
    watched.pool.sync([replica(1)])
    totals = snapshot(watched).services[0].totals
    assert (totals.connections_total, totals.bytes_received, totals.bytes_sent) == (30, 300, 3000)


@pytest.mark.parametrize(
    ("protocol", "recognised", "by_connection"),
    [
        *(("tcp", {}, True), ("tls", {"tls": 3}, True), ("http", {}, False), ("auto", {}, False)),
        *(("auto", {"tls": 1}, True), ("auto", {"tls": 1, "http/2": 1}, False), ("http", {"http/1.1": 1}, False)),
    ],
)
def test_a_port_is_balanced_by_connection_as_far_as_is_known(
    protocol: str, recognised: dict[str, int], by_connection: bool
) -> None:
    assert PortView(80, (), protocol, recognised).by_connection is by_connection


def test_failures_and_retries_have_a_reason() -> None:
    watched = RecordedPool(2)
    for reason in ("backend-hung-up", "backend-too-slow", "backend-hung-up"):
        lease = watched.pool.leases.acquire()
        assert lease is not None
        lease.failed(reason)
    watched.pool.leases.reject("no-backend-ready")
    lease = watched.pool.leases.acquire()
    assert lease is not None
    lease.retried("connect-timeout")
    totals = snapshot(watched).services[0].totals
    assert totals.failed_for == {"backend-hung-up": 2, "backend-too-slow": 1, "no-backend-ready": 1}
    assert (totals.failed, totals.retried_for) == (4, {"connect-timeout": 1})


def test_changes_are_counted_by_phase_after_the_replica_is_gone() -> None:
    watched = RecordedPool(3)
    watched.pool.drain(watched.backend(1).replica.id, "asked")
    watched.pool.sync([])
    assert snapshot(watched).services[0].totals.changes == {"ready": 3, "draining": 1, "drained": 1, "gone": 3}


def test_that_of_an_earlier_version_has_no_histogram() -> None:
    document = snapshot(RecordedPool(1)).as_json()
    del document["services"][0]["backends"][0]["histogram"]
    assert Snapshot.from_json(document).services[0].backends[0].histogram == ()


def test_it_survives_the_way_through_json() -> None:
    watched = RecordedPool(3)
    lease = watched.pool.leases.acquire()
    assert lease is not None
    lease.answered(204, 1500)
    before = snapshot(watched)
    assert Snapshot.from_json(json.loads(json.dumps(before.as_json()))) == before


def test_h12_it_tells_since_when_it_is_stale() -> None:
    stale = replace(snapshot(RecordedPool(1)), stale_since=iso(7))
    assert stale.as_json()["stale_since"] == "1970-01-01T00:00:07.000+00:00"
    assert Snapshot.from_json(stale.as_json()) == stale


def test_keys_of_a_later_version_are_ignored() -> None:
    document = snapshot(RecordedPool(1)).as_json()
    document["services"][0]["backends"][0]["colour"] = "blue"
    assert Snapshot.from_json(document) == snapshot(RecordedPool(1))


def test_ids_are_short_and_addresses_have_the_port() -> None:
    (backend,) = snapshot(RecordedPool(1)).services[0].backends
    assert (backend.id, backend.address) == ("000000000000", "10.0.0.1:9090")


def test_a_replica_with_a_port_of_its_own_is_shown_with_that() -> None:
    watched = RecordedPool(1)
    watched.pool.sync([replace(watched.backend(1).replica, ports=((9090, 8081),))])
    (backend,) = snapshot(watched).services[0].backends
    assert backend.address == "10.0.0.1:8081"


def test_a_task_is_shown_with_its_node() -> None:
    watched = RecordedPool(1)
    watched.pool.sync([replace(watched.backend(1).replica, node="worker-1")])
    (backend,) = snapshot(watched).services[0].backends
    assert backend.node == "worker-1"
    assert watched.backend(1).replica.key == RecordedPool(1).backend(1).replica.key


def test_an_ipv6_address_has_brackets() -> None:
    assert join_address("fd00::2", 80) == "[fd00::2]:80"


def test_moments_are_iso_8601() -> None:
    assert iso(0.25) == "1970-01-01T00:00:00.250+00:00"
