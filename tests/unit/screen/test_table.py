"""The table shows what matters in the room that there is."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from rich.cells import cell_len

from composectl.balance.snapshot import ChangeView, PortView, ServiceView, Totals, WorkerView, iso
from composectl.screen.table import render_table
from tests.support.snapshots import NOW, backend, change, render, service, snapshot

HOSTILE = "\x1b[31m[bold red]evil[/]\r\n\x1b]8;;http://evil\x07[link=x]"


@pytest.mark.parametrize(
    ("width", "headings"),
    [
        (200, "# name address phase in flight requests share req/s errors p50 ms p95 ms"),
        (100, "# name address phase in flight requests share req/s errors p95 ms"),
        (80, "# name phase in flight requests share req/s errors p95 ms"),
        (60, "# name phase in flight requests req/s"),
        (40, "# phase in flight requests req/s"),
        (20, "# phase requests"),
    ],
)
def test_a_narrow_terminal_gets_the_columns_that_matter_most(width: int, headings: str) -> None:
    assert render(width=width)[3].split() == headings.split()


def by_connection(**changes: Any) -> ServiceView:
    """A service whose only port is tcp."""
    backends = tuple(
        backend(
            number,
            requests=0,
            connections=number,
            connections_total=100 * number,
            bytes_received_per_second=1_234.0,
            bytes_sent_per_second=5_600_000.0,
        )
        for number in (1, 2, 3)
    )
    totals = Totals(0, 0, 0, 0, 0, {}, connections=6, connections_total=600, bytes_received=999, bytes_sent=12_345)
    ports = (PortView(6379, ("0.0.0.0:9090",), "tcp"),)
    return service(backends=backends, totals=totals, ports=ports, desired=3, **changes)


@pytest.mark.parametrize(
    ("width", "headings"),
    [
        (200, "# name address phase open connections share received/s sent/s errors"),
        (80, "# name phase open connections share received/s sent/s errors"),
        (50, "# phase open connections received/s sent/s"),
        (30, "# phase connections"),
    ],
)
def test_where_there_are_no_requests_there_are_connections_and_bytes(width: int, headings: str) -> None:
    assert render(by_connection(), width=width)[3].split() == headings.split()


def test_connections_and_bytes_are_counted() -> None:
    title, figures, _, _, row, *_ = render(by_connection(), width=200)
    assert title.split()[:3] == ["echo", "0.0.0.0:9090", "tcp"]
    assert figures.startswith("600 connections  570/s  6 open  received 999 B  sent 12.3 kB")
    assert row.split()[3:7] == ["ready", "1", "100", "16.7%"]
    assert row.split()[-5:] == ["1.2", "kB", "5.6", "MB", "0"]


def test_services_of_both_kinds_have_their_own_columns() -> None:
    lines = [line.split() for line in render(service(1), by_connection(service="cache"), width=100)]
    assert sum("p95" in line for line in lines) == 1
    assert sum("sent/s" in line for line in lines) == 1


def test_backends_named_by_their_address_show_it_once() -> None:
    fixed = service(backends=(backend(1, name="[::1]:9001", address="[::1]:9001"),))
    headings, row = render(fixed, width=200)[3:5]
    assert headings.split()[:3] == ["#", "name", "phase"]
    assert row.count("[::1]:9001") == 1


@pytest.mark.parametrize(
    ("width", "headings"),
    [
        (200, "# name node address phase in flight requests share req/s errors p50 ms p95 ms"),
        (100, "# name node phase in flight requests share req/s errors p95 ms"),
        (60, "# name phase in flight requests req/s errors"),
    ],
)
def test_tasks_of_a_swarm_show_their_node(width: int, headings: str) -> None:
    tasks = (backend(1, name="shop_echo.1", node="worker-with-a-name-1"), backend(2, name="shop_echo.2", node="w2"))
    top, first, second = render(service(backends=tasks), width=width)[3:6]
    assert " ".join(top.split()) == headings
    assert ("worker-with-a-name-1" in first) is (width == 200)
    assert ("w2" in second) is ("node" in headings)


@pytest.mark.parametrize("width", [200, 120, 100, 80, 60, 40, 30, 20, 15, 8, 1])
def test_i9_no_line_is_wider_than_the_terminal(width: int) -> None:
    crowded = service(120, service="a-service-with-a-long-name", listeners=("0.0.0.0:80", "[::]:80", "0.0.0.0:443"))
    lines = render(crowded, width=width)
    assert len(lines) == len(render(crowded, width=200))
    assert max(map(cell_len, lines)) <= width


@pytest.mark.parametrize("width", [200, 100, 60, 40, 20])
def test_the_columns_stand_below_each_other(width: int) -> None:
    top, *rows = render(width=width)[3:14]
    requests = top.index("requests") + len("requests")
    assert {row[:requests].split()[-1] for row in rows} == {f"{backend.requests:,}" for backend in service().backends}
    assert {row.index("ready") for row in rows} == {top.index("phase")}


def test_the_header_names_the_protocol_of_each_port() -> None:
    ports = (PortView(80, ("0.0.0.0:80", "[::]:80"), "auto"), PortView(6379, ("0.0.0.0:1",), "tcp"))
    came = (replace(ports[0], recognised={"http/2": 1, "http/1.1": 2}),)
    shown = service(listeners=came[0].listeners, ports=came)
    assert "0.0.0.0:80  [::]:80  auto: http/1.1, http/2  up" in render(shown, width=150)[0]
    title = render(service(listeners=("0.0.0.0:80", "[::]:80", "0.0.0.0:1"), ports=ports))[0]
    assert title.split()[1:7] == ["0.0.0.0:80", "[::]:80", "auto", "0.0.0.0:1", "tcp", "up"]


def test_the_header_tells_where_plain_http_is_sent_on() -> None:
    ports = (PortView(80, ("0.0.0.0:443",), "https"),)
    shown = service(listeners=("0.0.0.0:443",), ports=ports, redirect_http=("0.0.0.0:80", "[::]:80"))
    assert "0.0.0.0:443  https  port 80 redirects to https" in render(shown, width=80)[0]


def test_the_header_names_the_service_and_its_figures() -> None:
    title, figures, *_ = render()
    assert title.split() == ["echo", "0.0.0.0:9090", "up", "12m", "04s", "least-request", "10/10", "ready"]
    assert figures.split() == ["12,630", "requests", "570/s", figures.split()[-1]]
    assert len(figures.split()[-1]) == 60


def test_notices_stand_below_the_header_and_are_told_in_a_short_table_too() -> None:
    noticed = service(notices=("the X-Forwarded-* fields of 10.0.0.1 are dropped",))
    assert render(noticed)[2] == "! the X-Forwarded-* fields of 10.0.0.1 are dropped"
    assert render(noticed, height=8)[2].startswith("! the X-Forwarded-*")
    assert len(render(noticed, height=8)) == 8
    assert len(render(noticed)) == len(render()) + 1


def test_workers_that_were_replaced_are_told_of_above_all_services() -> None:
    first, second = (WorkerView(number, 4710 + number, iso(NOW - 60), 0, "") for number in (1, 2))
    assert "replaced" not in "".join(render(workers=(first, second)))
    killed = replace(second, pid=4720, since=iso(NOW), restarts=1, last_end="process 4712 was ended by SIGKILL")
    once, *_ = render(workers=(first, killed))
    assert once == "! 1 of 2 workers replaced once: process 4712 was ended by SIGKILL"
    often = replace(first, restarts=2, last_end="process 4711 ended with exit code 1")
    again, *_ = render(workers=(often, killed))
    assert again == "! 2 of 2 workers replaced 3 times: process 4712 was ended by SIGKILL"


def test_failures_and_retries_are_told_where_there_are_any() -> None:
    assert "failed" not in "".join(render())
    troubled = service(totals=Totals(5, 0, 3, 1_011, 0, {}))
    assert "3 failed  1,011 retried" in render(troubled)[1]


def test_refused_requests_are_told_with_their_reasons() -> None:
    assert "refused" not in "".join(render())
    reasons = {"rate-limited": 1_204, "ip-not-allowed": 3, "bad-host": 2, "tls": 1}
    guarded = service(totals=Totals(5, 0, 0, 0, 0, {}, bad_requests=reasons))
    assert "1,210 refused (1,204 rate-limited, 3 ip-not-allowed, 2 bad-host)" in render(guarded, width=120)[1]


def test_a_canary_is_told_with_its_share() -> None:
    assert "canary" not in "".join(render())
    with_canary = service(3, backends=(backend(1), backend(2), backend(3), backend(4, canary=0.07)))
    assert "canary 4 at 7%" in render(with_canary)[1]
    assert "canary 4 at 7%" in render(with_canary, width=50)[1]


def test_queued_requests_are_shown_in_a_narrow_table_too() -> None:
    assert "queued" not in "".join(render())
    queued = service(0, totals=Totals(5, 0, 3, 0, 1_000, {}))
    assert "1,000 queued" in render(queued)[1]
    assert "1,000 queued" in render(queued, width=40)[1]


def test_h12_an_engine_that_cannot_be_reached_is_told_first() -> None:
    first, second, *_ = render(stale_since=iso(NOW - 65))
    assert first.startswith("engine unreachable since ")
    assert ", for 1m 05s: " in first
    assert second.startswith("echo ")


@pytest.mark.parametrize("height", [10, 3, 2, 1])
@pytest.mark.parametrize("services", [1, 3])
def test_h12_that_takes_no_more_lines_than_there_are(services: int, height: int) -> None:
    lines = render(*[service(20)] * services, width=30, height=height, stale_since=iso(NOW))
    assert 0 < len(lines) <= height
    assert max(map(cell_len, lines)) <= 30


def test_backends_stand_in_the_order_of_their_numbers() -> None:
    shuffled = service(backends=tuple(backend(number) for number in (10, 9, 1, 11, 2)))
    assert [line.split()[0] for line in render(shuffled)[4:9]] == ["1", "2", "9", "10", "11"]


def test_a_share_is_one_of_the_services_backend_requests() -> None:
    halves = service(backends=(backend(1, requests=300), backend(2, requests=100)))
    first, second = render(halves)[4:6]
    assert "75.0% ━━━━━━━━━━ " in first
    assert "25.0% ━━━╸ " in second


def test_errors_are_failures_and_5xx() -> None:
    top, row = render(service(backends=(backend(1, failed=2, responses={"5xx": 3}),)))[3:5]
    assert row[: top.index("errors") + len("errors")].split()[-1] == "5"


def test_before_the_first_response_there_is_no_latency() -> None:
    assert render(service(backends=(backend(1, p50_ms=None, p95_ms=None),)))[4].split()[-2:] == ["-", "-"]


def test_the_last_changes_stand_below() -> None:
    *_, last = render(service(changes=(change(1), change(2, "draining", "scaled to 1"))))
    assert last.split()[1:] == ["echo-echo-2", "starting", "->", "draining", "scaled", "to", "1"]


def test_a_service_without_a_replica_has_a_table_too() -> None:
    assert "no replica yet" in render(service(0, changes=()), width=40)


def test_where_replicas_have_gone_none_is_awaited_as_the_first() -> None:
    gone = service(0, totals=Totals(7, 0, 0, 0, 0, {}, changes={"gone": 2}))
    assert "no replica" in render(gone, width=80)


@pytest.mark.parametrize("width", [120, 40, 20])
@pytest.mark.parametrize("height", [50, 24, 12, 6, 5, 4, 3, 2, 1])
@pytest.mark.parametrize("services", [1, 2, 3, 9])
def test_the_table_is_never_higher_than_the_terminal(services: int, height: int, width: int) -> None:
    assert 0 < len(render(*[service(100)] * services, width=width, height=height)) <= height


def test_backends_that_do_not_fit_are_counted_by_phase() -> None:
    some = tuple(backend(number, phase="unhealthy" if number == 20 else "ready") for number in range(1, 21))
    lines = render(service(backends=some, changes=()), height=13)
    assert [line.split()[0] for line in lines[3:-1]] == [str(number) for number in range(1, 10)]
    assert lines[-1] == "... 11 more: 10 ready, 1 unhealthy"


def test_services_share_the_lines_fairly() -> None:
    lines = render(service(50), service(2, service="web"), height=30)
    web = next(at for at, line in enumerate(lines) if line.startswith("web"))
    assert len(lines) == 30
    assert any("more: " in line for line in lines[:web])
    assert {"1", "2"} <= {line.split()[0] for line in lines[web:] if line}


def test_services_that_do_not_fit_are_counted() -> None:
    assert render(*[service(3)] * 9, height=4)[-1] == "... 6 more services"


@pytest.mark.parametrize("width", [200, 80, 40, 20])
def test_h18_nothing_that_others_chose_steers_the_terminal(width: int) -> None:
    evil = backend(1, name=HOSTILE, address=HOSTILE, phase=HOSTILE)
    changed = ChangeView(change(1).at, 1, HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    lines = render(
        service(backends=(evil,), changes=(changed,), service=HOSTILE, listeners=(HOSTILE,), policy=HOSTILE),
        width=width,
    )
    assert len(lines) == 7
    assert all(line.isprintable() for line in lines)
    assert lines[0].startswith("[bold")


def test_h18_names_are_cut_from_the_front_where_they_are_long() -> None:
    row = render(service(backends=(backend(1, name=f"{'very-' * 9}long-project-echo-1"),)), width=100)[4]
    assert row.split()[1].startswith("…")
    assert row.split()[1].endswith("long-project-echo-1"[-15:])


def test_wide_signs_do_not_shift_the_columns() -> None:
    top, first, second = render(service(backends=(backend(1, name="反復-1"), backend(2, name="echo-2"))))[3:6]
    at = top.index("address")
    assert second[at:].startswith("172.18.0.3")
    assert first[at - len("反復") :].startswith("172.18.0.2")


def test_i10_a_hundred_backends_are_drawn_within_10_ms() -> None:
    hundred = snapshot(service(100))
    assert min(_seconds(lambda: render_table(hundred, now=NOW, width=120, height=50)) for _ in range(20)) < 0.01


# Private


def _seconds(work: Callable[[], object]) -> float:
    started = time.thread_time()
    work()
    return time.thread_time() - started
