"""`python -m bench`: measure, and print."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.arguments import Arguments, parse
from bench.backends import Backends, serving
from bench.cores import stay_off_the_proxy_core
from bench.parts.all import PARTS
from bench.ports import free_ports
from bench.rounds import measure
from bench.text import table

_MOST_BACKENDS = 200


def run(given: Arguments, folder: Path) -> None:
    """Measure part by part, and print each as soon as it is done."""
    backends = Backends(_MOST_BACKENDS, free_ports(1)[0])
    with serving(backends, folder):
        for part in (PARTS[name] for name in given.parts):
            samples = measure(part, part.rows(given.peers), backends, folder, given.rounds, given.seconds)
            print(table(part, samples), end="\n\n", flush=True)


if __name__ == "__main__":
    stay_off_the_proxy_core()
    given = parse()
    with tempfile.TemporaryDirectory() as name:
        run(given, Path(name))
