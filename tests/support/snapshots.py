"""Pictures of made-up services, for the table to draw."""

import io
from dataclasses import replace
from typing import Any

from rich.console import Console

from composectl.balance.snapshot import BackendView, ChangeView, ServiceView, Snapshot, Totals, iso
from composectl.screen.table import render_table

NOW = 1_800_000_000.0


def backend(number: int, **changes: Any) -> BackendView:
    view = BackendView(
        number=number,
        id=f"{number:012x}",
        name=f"echo-echo-{number}",
        address=f"172.18.0.{number + 1}:9090",
        phase="ready",
        in_flight=number % 4,
        requests=1200 + 7 * (number * 31 % 17),
        failed=0,
        retried=0,
        responses={"1xx": 0, "2xx": 1200, "3xx": 0, "4xx": 0, "5xx": 0},
        p50_ms=0.8 + number / 10,
        p95_ms=4.2 + number,
        p99_ms=9.0,
        since=iso(NOW - 724),
        requests_per_second=81.4 + number,
    )
    return replace(view, **changes)


def change(number: int, after: str = "ready", why: str = "its port accepts") -> ChangeView:
    return ChangeView(iso(NOW - 60 + number), number, f"echo-echo-{number}", "starting", after, why)


def service(count: int = 10, **changes: Any) -> ServiceView:
    backends = changes.pop("backends", tuple(backend(number) for number in range(1, count + 1)))
    view = ServiceView(
        service="echo",
        policy="least-request",
        listeners=("0.0.0.0:9090",),
        desired=count,
        since=iso(NOW - 724),
        totals=Totals(sum(view.requests for view in backends), 7, 0, 0, 0, {}),
        backends=backends,
        changes=tuple(change(number) for number in range(1, 7)),
        last_minute=tuple(range(0, 600, 10)),
    )
    return replace(view, **changes)


def snapshot(*services: ServiceView) -> Snapshot:
    return Snapshot(1, "demo", services or (service(),))


def render(*services: ServiceView, width: int = 120, height: int | None = None, **changes: Any) -> list[str]:
    """The lines of the table on a console without colour; `changes` are of the snapshot."""
    out = io.StringIO()
    shown = replace(snapshot(*services), **changes)
    table = render_table(shown, now=NOW, width=width, height=height)
    Console(file=out, width=width, color_system=None).print(table)
    return out.getvalue().splitlines()
