"""The command line of `bench/run`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.parts.all import PARTS
from bench.peers.all import PEERS
from bench.peers.ours import composectl
from bench.peers.peer import Peer

_ALWAYS = ("nginx", "composectl")


@dataclass(frozen=True, slots=True)
class Arguments:
    """What to measure, and for how long; `whole` where nothing was left out."""

    parts: tuple[str, ...]
    peers: Mapping[str, Peer]
    rounds: int
    seconds: int

    @property
    def whole(self) -> bool:
        return self.parts == tuple(PARTS) and self.peers.keys() == PEERS.keys()


def parse(words: Sequence[str] | None = None) -> Arguments:
    """From the words typed; leaves with a message where they make no sense."""
    parser = argparse.ArgumentParser(prog="bench/run", description="composectl beside its peers, in one run.")
    parser.add_argument("--only", type=_some_of(PARTS), metavar="PART,...", help=f"of {', '.join(PARTS)}; all")
    parser.add_argument(
        "--with",
        type=_some_of(PEERS),
        dest="peers",
        metavar="PEER,...",
        help=f"besides nginx and composectl: of {', '.join(PEERS)}, or `all`; with --only none, else all",
    )
    parser.add_argument(
        "--against", type=Path, action="append", default=[], metavar="DIR", help="and composectl as it is in DIR"
    )
    parser.add_argument("--rounds", type=_positive, default=5, help="5")
    parser.add_argument("--seconds", type=_positive, default=2, help="of one round of one proxy; 2")
    parsed = parser.parse_args(words)
    needed = [name for part in parsed.only or () for name in PARTS[part].only]
    wanted = (*needed, *(parsed.peers or ())) if parsed.peers is not None or parsed.only else tuple(PEERS)
    peers = {name: peer for name, peer in PEERS.items() if name in (*_ALWAYS, *wanted)}
    others = {str(home): composectl(str(home), table=True, home=home.resolve()) for home in parsed.against}
    return Arguments(parsed.only or tuple(PARTS), peers | others, parsed.rounds, parsed.seconds)


# Private


def _positive(word: str) -> int:
    if not word.isdigit() or not int(word):
        raise argparse.ArgumentTypeError(f"`{word}` is not a whole number above 0")
    return int(word)


def _some_of(known: Iterable[str]) -> Callable[[str], tuple[str, ...]]:
    names = tuple(known)

    def some(words: str) -> tuple[str, ...]:
        chosen = names if words == "all" else tuple(words.split(","))
        for word in chosen:
            if word not in names:
                raise argparse.ArgumentTypeError(f"no `{word}`; there are {', '.join(names)}")
        return chosen

    return some
