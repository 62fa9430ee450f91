"""`python -m bench`: measure, and print; a whole run is also written down."""

from __future__ import annotations

import datetime
import subprocess
import tempfile
from pathlib import Path

from bench.arguments import Arguments, parse
from bench.backends import Backends, serving
from bench.cores import in_place
from bench.figures import Samples
from bench.machine import machine, versions
from bench.parts.all import PARTS
from bench.ports import free_ports
from bench.report import report
from bench.requirements import verdicts
from bench.results import Results
from bench.rounds import measure
from bench.summary import drawn, put_into, summary
from bench.text import table, verdict_lines

_MOST_BACKENDS = 200
_HOME = Path(__file__).parents[1]


def run(arguments: Arguments, folder: Path) -> Results:
    """Measure part by part, and print each as soon as it is done."""
    measured: dict[str, Samples] = {}
    backends = Backends(_MOST_BACKENDS, free_ports(1)[0])
    with serving(backends, folder):
        for part in (PARTS[name] for name in arguments.parts):
            measured[part.name] = measure(part, arguments.peers, backends, folder, arguments.rounds, arguments.seconds)
            print(table(part, measured[part.name]), end="\n\n", flush=True)
    print(verdict_lines(verdicts(measured)))
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    peers = versions(arguments.peers.values())
    return Results(date, machine(), peers, arguments.rounds, arguments.seconds, measured)


def write_down(results: Results, home: Path) -> None:
    """RESULTS.md, the picture, and the table in the docs."""
    (home / "bench" / "RESULTS.md").write_text(report(results))
    (home / "docs" / "images" / "bench.svg").write_text(drawn(results))
    page = home / "docs" / "internals" / "benchmarks.md"
    page.write_text(put_into(page.read_text(), summary(results)))


if __name__ == "__main__":
    arguments = parse()
    subprocess.run([_HOME / "bench" / "prepare", *arguments.peers], check=True)
    with in_place(), tempfile.TemporaryDirectory() as name:
        results = run(arguments, Path(name))
    if arguments.whole:
        write_down(results, _HOME)
