"""Each requirement is met up to its limit, and not beyond."""

from __future__ import annotations

import pytest

from bench.figures import Row
from bench.parts import bodies
from bench.requirements import REQUIREMENTS, verdicts
from tests.support.bench_results import results


def test_a_run_that_is_fast_enough_meets_all() -> None:
    made = verdicts(results().measured)
    assert [verdict.requirement for verdict in made] == list(REQUIREMENTS)
    assert all(verdict.met for verdict in made)


@pytest.mark.parametrize(
    ("cost", "texts"),
    [
        ({"nginx": 0.9}, ["CPU per request against nginx"]),
        ({"nginx": 0.7}, ["CPU per request against nginx", "CPU per new connection against nginx"]),
        (
            {"composectl": 1.3, "haproxy": 1.2, "nginx": 1.15, "nginx_tuned": 1.0},
            ["CPU per body of 64 KiB against tuned nginx"],
        ),
        ({"haproxy": 0.9}, ["CPU per request against HAProxy"]),
        ({"haproxy": 0.7}, ["CPU per request against HAProxy", "CPU per round trip over TCP against HAProxy"]),
        ({"go_tuned": 2.1}, ["CPU per request against the tuned Go proxy"]),
        ({"caddy": 2.7}, ["CPU per request against Caddy"]),
        ({"composectl_watched": 1.7}, ["p99 with all watchers against bare"]),
        ({"composectl_sticky": 1.7}, ["CPU per request with sessions by cookie against none"]),
        ({"composectl_capped": 1.7}, ["CPU per request with `--max-in-flight` against none"]),
        ({"composectl_quiet": 0.8}, ["p99 with the table drawn against without", "p99 with all watchers against bare"]),
    ],
)
def test_what_is_not_met_is_told(cost: dict[str, float], texts: list[str]) -> None:
    made = verdicts(results(**cost).measured)
    assert [verdict.requirement.text for verdict in made if not verdict.met] == texts


@pytest.mark.parametrize(
    ("part", "peer", "least"), [("ws-bulk", "nginx-tuned", 2000.0), ("tcp-bulk", "haproxy", 2000.0)]
)
def test_of_what_is_relayed_in_a_second_more_is_better(part: str, peer: str, least: float) -> None:
    measured = results().measured
    readings = measured[part].readings[bodies.PER_CPU_SECOND]
    for relayed, met in ((least - 10, False), (least, True), (2 * least, True)):
        readings[Row(peer)], readings[Row("composectl")] = [1000.0], [relayed]
        assert [verdict.met for verdict in verdicts(measured) if verdict.requirement.part == part] == [met]


def test_what_was_not_measured_is_not_judged() -> None:
    assert verdicts({"cpu": results().measured["memory"]}) == []
    assert verdicts({}) == []
