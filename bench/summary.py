"""What the docs show of a run: a picture, and one table."""

from __future__ import annotations

from collections.abc import Mapping

from bench.figures import Figure, Row, Samples
from bench.parts import bodies, cpu, latency, memory
from bench.picture import Bar, picture
from bench.report import markdown
from bench.results import Results
from bench.wording import number

NAMES = {
    "nginx": "nginx",
    "haproxy": "HAProxy",
    "composectl": "composectl",
    "go-tuned": "Go, tuned",
    "go-pooled": "Go, tuned and pooled",
    "caddy": "Caddy",
    "go": "Go",
}
_VERSIONS = ("nginx", "haproxy", "caddy", "go", "Python")
BEGIN, END = "<!-- written by make bench -->\n", "<!-- end -->\n"

_COLUMNS: tuple[tuple[str, str, Figure], ...] = (
    ("CPU per request, µs", "cpu", cpu.CPU),
    ("requests/s", "cpu", cpu.SPEED),
    ("p99 at 2,000 requests/s, µs", "latency", latency.P99),
    ("10 MiB bodies, MB per CPU second", "10m", bodies.PER_CPU_SECOND),
    ("10,000 idle connections, MiB", "memory", memory.RESIDENT),
)


def drawn(results: Results) -> str:
    """CPU per request as bars, the least first."""
    samples = results.measured["cpu"]
    rows = sorted(_rows(samples), key=lambda row: samples.median(cpu.CPU, row))
    bars = [_bar(samples, row) for row in rows]
    title = "CPU time per request, in microseconds: less is better"
    return picture(title, f"a 24-byte answer, one core, 64 connections; {results.date}", bars)


def summary(results: Results) -> str:
    """The table, and where it comes from."""
    lines = [["proxy", *(title for title, _, _ in _COLUMNS)]]
    lines += [_line(results.measured, row) for row in _rows(results.measured["cpu"])]
    return f"{markdown(lines)}\n{_origin(results)}"


def put_into(page: str, text: str) -> str:
    """`page` with `text` between the marks, in place of what was there. Raises ValueError where there are no marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("the page has no place for it")
    return f"{before}{begin}{text}{end}{after}"


# Private


def _rows(samples: Samples) -> list[Row]:
    measured = samples.rows(cpu.CPU)
    return [Row(name) for name in NAMES if Row(name) in measured]


def _bar(samples: Samples, row: Row) -> Bar:
    value = samples.median(cpu.CPU, row)
    return Bar(NAMES[row.peer], value, number(cpu.CPU, value), row.peer == "composectl")


def _line(measured: Mapping[str, Samples], row: Row) -> list[str]:
    return [NAMES[row.peer], *(_cell(measured, part, figure, row) for _, part, figure in _COLUMNS)]


def _origin(results: Results) -> str:
    versions = ", ".join(f"{NAMES.get(name, name)} {results.versions[name]}" for name in _VERSIONS)
    tuned = _cell(results.measured, "10m", bodies.PER_CPU_SECOND, Row("nginx-tuned"))
    return (
        f"Medians of {results.date} on {results.machine}, each proxy on one core: {versions}.\n"
        f"With buffers of 64 KiB instead of its own, nginx relays {tuned} MB in a CPU second.\n"
    )


def _cell(measured: Mapping[str, Samples], part: str, figure: Figure, row: Row) -> str:
    return number(figure, measured[part].median(figure, row))
