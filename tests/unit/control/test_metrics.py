"""What Prometheus reads, out of a snapshot."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse
from prometheus_client.samples import Sample

from composectl.balance.snapshot import VERSION, LogView, PortView, ServiceView, Snapshot, view_service
from composectl.control.metrics import expose, process_metrics
from tests.support.factories import RecordedPool
from tests.support.paths import ROOT

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
Labels = dict[str, str]


def seen(watched: RecordedPool) -> ServiceView:
    return view_service(
        watched.pool,
        policy="p2c",
        listeners=["[::]:80"],
        desired=3,
        queued=2,
        port=80,
        changes=(),
        rollouts={"done": 1},
        ports=[PortView(80, ("[::]:80",), "tcp", {"tcp": 5})],
    )


def exposed(service: ServiceView, accept: str = "") -> str:
    return b"".join(expose(Snapshot(VERSION, "shop", (service,)), process_metrics(), accept)[1]).decode()


def samples(service: ServiceView, name: str) -> dict[tuple[str, ...], float]:
    """The values of one metric, by those of its labels that tell them apart."""
    found: list[Sample] = [
        sample for family in parse(exposed(service)) for sample in family.samples if sample.name == name
    ]
    assert all((sample.labels.pop("project"), sample.labels.pop("service")) == ("shop", "echo") for sample in found)
    return {tuple(sample.labels.values()): sample.value for sample in found}


def busy() -> RecordedPool:
    watched = RecordedPool(3)
    for status, microseconds in ((200, 400), (204, 600), (503, 20_000_000)):
        lease = watched.pool.leases.acquire()
        assert lease is not None
        lease.answered(status, microseconds)
    return watched


def test_responses_are_counted_by_backend_and_class() -> None:
    found = samples(seen(busy()), "composectl_requests_total")
    assert {key: value for key, value in found.items() if value} == {("1", "2xx"): 1, ("2", "2xx"): 1, ("3", "5xx"): 1}
    assert len(found) == 15


def test_durations_are_in_buckets_of_seconds() -> None:
    service = seen(busy())
    buckets = samples(service, "composectl_request_duration_seconds_bucket")
    assert [buckets[number, "0.000512"] for number in "123"] == [1, 0, 0]
    assert [buckets[number, "0.001024"] for number in "123"] == [1, 1, 0]
    assert [buckets[number, "16.777216"] for number in "123"] == [1, 1, 0]
    assert [buckets[number, "+Inf"] for number in "123"] == [1, 1, 1]
    assert samples(service, "composectl_request_duration_seconds_count") == {("1",): 1, ("2",): 1, ("3",): 1}
    assert samples(service, "composectl_request_duration_seconds_sum")["3",] == 20


def test_failures_and_retries_are_told_by_backend_and_by_reason() -> None:
    watched = RecordedPool(2)
    for end in ("failed", "retried"):
        lease = watched.pool.leases.acquire()
        assert lease is not None
        getattr(lease, end)("backend-too-slow")
    watched.pool.leases.reject("no-backend-ready")
    service = seen(watched)
    reasons = {("backend-too-slow",): 1, ("no-backend-ready",): 1}
    assert samples(service, "composectl_failures_total") == reasons
    assert samples(service, "composectl_retries_total") == {("backend-too-slow",): 1}
    assert samples(service, "composectl_service_failures_total") == {(): 2}
    assert sum(samples(service, "composectl_backend_failures_total").values()) == 1
    assert sum(samples(service, "composectl_backend_retries_total").values()) == 1


def test_requests_that_were_refused_as_they_came_are_told_by_the_reason() -> None:
    watched = RecordedPool(1)
    watched.pool.leases.bad_requests.update({"tls": 2, "bad-request": 1})
    assert samples(seen(watched), "composectl_bad_requests_total") == {("tls",): 2, ("bad-request",): 1}


def test_phases_and_what_is_queued_and_in_flight() -> None:
    watched = RecordedPool(3)
    watched.eject(1)
    assert watched.pool.leases.acquire()
    service = seen(watched)
    phases = samples(service, "composectl_backend_phase")
    assert {key for key, value in phases.items() if value} == {("1", "unhealthy"), ("2", "ready"), ("3", "ready")}
    assert samples(service, "composectl_backends")["ready",] == 2
    assert samples(service, "composectl_desired_backends") == {(): 3}
    assert samples(service, "composectl_queued_requests") == {(): 2}
    assert sum(samples(service, "composectl_in_flight_requests").values()) == 1


def test_connections_and_bytes_are_counted_by_backend() -> None:
    watched = RecordedPool(2)
    counted = watched.backend(2)
    counted.connections, counted.connections_total, counted.bytes_received, counted.bytes_sent = 1, 3, 20, 40
    service = seen(watched)
    for name, value in (
        ("composectl_open_connections", 1),
        ("composectl_connections_total", 3),
        ("composectl_received_bytes_total", 20),
        ("composectl_sent_bytes_total", 40),
    ):
        assert samples(service, name) == {("1",): 0, ("2",): value}
    assert samples(service, "composectl_client_connections_total") == {("80", "tcp"): 5}
    assert samples(service, "composectl_service_connections_total") == {(): 3}
    assert samples(service, "composectl_service_received_bytes_total") == {(): 20}
    assert samples(service, "composectl_service_sent_bytes_total") == {(): 40}


def test_drains_rollouts_and_listeners() -> None:
    watched = RecordedPool(2)
    watched.pool.drain(watched.backend(1).replica.id, "asked")
    service = seen(watched)
    assert samples(service, "composectl_phase_changes_total")["draining",] == 1
    assert samples(service, "composectl_rollouts_total") == {("done",): 1}
    assert samples(service, "composectl_listener_info") == {("[::]:80", "tcp"): 1}


def test_a_backend_takes_its_counts_along_and_the_sums_stay() -> None:
    watched = busy()
    before = {name: samples(seen(watched), name) for name in SUMS}
    watched.pool.sync([])
    assert samples(seen(watched), "composectl_requests_total") == {}
    after = {name: samples(seen(watched), name) for name in SUMS}
    assert all(after[name][key] >= value for name in SUMS for key, value in before[name].items())


SUMS = ("composectl_service_requests_total", "composectl_service_responses_total", "composectl_phase_changes_total")


def test_two_runs_of_a_container_are_one_series() -> None:
    service = seen(busy())
    former, *_ = service.backends
    twice = replace(service, backends=(former, replace(former, phase="starting", id="f" * 12)))
    assert samples(twice, "composectl_requests_total")["1", "2xx"] == 2
    assert samples(twice, "composectl_request_duration_seconds_count") == {("1",): 2}
    phases = samples(twice, "composectl_backend_phase")
    assert [key for key, value in phases.items() if value] == [("1", "starting")]


def test_lines_of_the_access_log_are_counted_where_there_is_one() -> None:
    def lines(log: LogView | None) -> dict[str, float]:
        text = b"".join(expose(Snapshot(VERSION, "shop", (), access_log=log), (), "")[1]).decode()
        return {
            sample.name: sample.value for family in parse(text) for sample in family.samples if "_log_" in sample.name
        }

    assert lines(LogView(written=7, dropped=2)) == {
        "composectl_access_log_lines_total": 7,
        "composectl_access_log_dropped_lines_total": 2,
    }
    assert lines(None) == {}


def test_a_task_of_a_swarm_is_told_with_its_node() -> None:
    service = seen(RecordedPool(1))
    task = replace(service, backends=(replace(service.backends[0], node="worker-1"),))
    assert 'node="worker-1"' in exposed(task)
    assert "node=" not in exposed(service)


def test_names_that_lie_stay_in_their_quotes() -> None:
    service = seen(RecordedPool(1))
    lying = 'x"} 7\n# HELP \\ \x1b[31m'
    lies = replace(service, backends=(replace(service.backends[0], name=lying),))
    (labels,) = samples(lies, "composectl_backend_info")
    assert lying in labels
    assert not [line for line in exposed(lies).splitlines() if line.startswith("# HELP \\")]


@pytest.mark.parametrize("count", [0, 1, 8, 9, 200])
def test_openmetrics_where_it_is_asked_for(count: int) -> None:
    """Its parser is strict: each metric is told once, and the end is marked."""
    text = exposed(seen(RecordedPool(count)), OPENMETRICS)
    phases = [
        sample
        for family in parse_openmetrics(text)
        for sample in family.samples
        if sample.name.endswith("backend_phase")
    ]
    assert len(phases) == 6 * count


def test_it_comes_in_small_pieces() -> None:
    pieces = list(expose(Snapshot(VERSION, "shop", (seen(RecordedPool(200)),)), (), "")[1])
    assert max(piece.count(b"\n") for piece in pieces) <= 7


def test_the_docs_list_every_metric() -> None:
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text()
    snapshot = Snapshot(VERSION, "shop", (seen(busy()),), access_log=LogView(written=1, dropped=0))
    text = b"".join(expose(snapshot, process_metrics(), "")[1]).decode()
    families = {name for name in re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE) if name.startswith("composectl_")}
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == families
