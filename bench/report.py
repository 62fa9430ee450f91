"""RESULTS.md: all figures of one run."""

from __future__ import annotations

from collections.abc import Iterable

from bench import wording
from bench.figures import Figure, Row, Samples
from bench.parts.all import PARTS
from bench.parts.part import Part
from bench.requirements import Verdict, verdicts
from bench.results import Results

_HEAD = """\
# Results

Written by `make bench`, {date}, on {machine}.
Versions: {versions}.

Every proxy has one worker on one core; the load and the backends (nginx, at four addresses) have the other. All keep
their connections to the backends and add what composectl adds: `X-Forwarded-For`, `-Proto` and `-Host`, `Via`,
`X-Internal-Service`, and a random `X-Request-ID` on both sides. None logs requests, but `composectl-logging` does, in
JSON. The proxies take turns of {seconds} s, {rounds} rounds ({many} with the table or more to watch), the others being
stopped meanwhile. Shown are medians, the range in brackets; a ratio is the median of the ratios within each round.
`composectl` draws its live table on a terminal all the time, `composectl-quiet` does not, and of
`composectl-interpreted` nothing is compiled. `composectl-watched` draws it and logs, while another terminal runs
`status --watch`, a dashboard is open, and its metrics are scraped every second; beside it, `composectl-quiet` is
measured while these look at another composectl. Where backends are killed, each is a process of its own. A turn
then takes 20 s, there are two rounds, and HAProxy checks its servers every 200 ms.
`nginx-tuned` has larger buffers, of 64 KiB each; `go` is Go's `httputil.ReverseProxy` as it comes, `go-tuned` keeps
more connections, and `go-pooled` its buffers, too. Calls of gRPC go over HTTP/2 without TLS on both sides, to four
nghttpd; h2load sends them where all are alike. Over HTTPS, all serve one certificate (ECDSA, P-256) by TLS 1.3; h2load
asks by HTTP/2, and `openssl s_time` makes a full handshake for each request. Over TCP, `haproxy-splice` is HAProxy with
`option splice-auto` and `option splice-response`. `composectl-sticky` has `--sticky`, and `composectl-hashed` has
`--sticky cookie:NAME`. `composectl-capped` has `--max-in-flight 32`, and `composectl-queued` has `--max-in-flight 8`.
"""


def report(results: Results) -> str:
    """The page."""
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    head = _HEAD.format(
        date=results.date,
        machine=results.machine,
        versions=versions,
        seconds=results.seconds,
        rounds=results.rounds,
        many=PARTS["watched"].rounds(results.rounds),
    )
    sections = [_section(PARTS[name], samples) for name, samples in results.measured.items()]
    return "\n".join([head, _required(verdicts(results.measured)), *sections])


def markdown(lines: Iterable[Iterable[str]]) -> str:
    """A table; the first line is its heading, and all but the first column are figures."""
    heading, *rows = (f"| {' | '.join(line)} |" for line in lines)
    rule = "|---|" + "---:|" * (heading.count("|") - 2)
    return "\n".join([heading, rule, *rows, ""])


# Private


def _required(every: list[Verdict]) -> str:
    lines = [
        [verdict.requirement.text, wording.value(verdict), verdict.limit, "met" if verdict.met else "**not met**"]
        for verdict in every
    ]
    return f"## Required\n\n{markdown([['', 'measured', 'required', ''], *lines])}"


def _section(part: Part, samples: Samples) -> str:
    lines = [["", *map(wording.heading, part.figures), "ratio"]]
    lines += [_line(part, samples, row) for row in samples.rows(part.figures[0])]
    remarks = "".join(f"\n{remark}\n" for remark in wording.remarks(samples))
    return f"## {part.title}\n\n{markdown(lines)}{remarks}"


def _line(part: Part, samples: Samples, row: Row) -> list[str]:
    cells = (_cell(samples, figure, row) for figure in part.figures)
    return [wording.name(part, row), *cells, wording.ratio(part, samples, row)]


def _cell(samples: Samples, figure: Figure, row: Row) -> str:
    spread = wording.spread(samples, figure, row)
    return wording.number(figure, samples.median(figure, row)) + (f" ({spread})" if spread else "")
