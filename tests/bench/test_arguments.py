"""What is typed chooses parts and peers."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.arguments import parse
from bench.parts.all import PARTS
from bench.peers.all import PEERS


def test_without_words_everything_is_measured() -> None:
    arguments = parse([])
    assert arguments.parts == tuple(PARTS)
    assert list(arguments.peers) == list(PEERS)
    assert arguments.whole


def test_a_part_alone_is_measured_against_nginx_alone() -> None:
    arguments = parse(["--only", "cpu", "--rounds", "5", "--seconds", "4"])
    assert (arguments.parts, list(arguments.peers)) == (("cpu",), ["nginx", "composectl"])
    assert (arguments.rounds, arguments.seconds) == (5, 4)
    assert not arguments.whole


def test_peers_and_working_copies_join_by_name() -> None:
    arguments = parse(["--only", "cpu,10m", "--with", "caddy", "--against", "there"])
    assert list(arguments.peers) == ["nginx", "composectl", "caddy", str(Path("there"))]


@pytest.mark.parametrize("words", [["--only", "cpx"], ["--with", "ngin"], ["--rounds", "0"], ["--seconds", "x"]])
def test_words_that_make_no_sense_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        parse(words)
    assert left.value.code == 2
    assert "error: argument" in capsys.readouterr().err


def test_a_part_brings_the_peers_that_it_is_about() -> None:
    assert list(parse(["--only", "watched"]).peers) == ["nginx", "composectl", "composectl-quiet", "composectl-watched"]
    assert list(parse(["--only", "sticky"]).peers) == ["nginx", "composectl", "composectl-sticky", "composectl-hashed"]
    assert list(parse(["--only", "capped"]).peers) == ["nginx", "composectl", "composectl-capped", "composectl-queued"]
