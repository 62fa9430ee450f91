"""The log of a background process: a time before each line, and an end to its growth."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import datetime
from io import TextIOWrapper
from pathlib import Path

import pytest

from composectl.control.paths import rotated_log
from composectl.daemon.background import LogFile

STAMP = re.compile(r"(\S+) (.*)")


@pytest.fixture
def descriptor() -> Iterator[int]:
    """One that the log may take."""
    opened = os.open(os.devnull, os.O_RDWR)
    yield opened
    os.close(opened)


def texts(path: Path) -> list[str]:
    """The lines without their times, which must be such."""
    stamped = [STAMP.fullmatch(line) for line in path.read_text().splitlines()]
    assert all(line and datetime.fromisoformat(line[1]).tzinfo for line in stamped)
    return [line[2] for line in stamped if line]


def test_every_line_begins_with_its_time(tmp_path: Path, descriptor: int) -> None:
    stream = TextIOWrapper(LogFile(tmp_path / "log", (descriptor,)), "utf-8", write_through=True)
    for piece in ("one\ntwo\n", "thr", "", "ee\n", "\n", "naïve\nlast"):
        stream.write(piece)
    assert texts(tmp_path / "log") == ["one", "two", "three", "", "naïve", "last"]


def test_it_is_the_owners_alone_and_written_on_where_it_is_there(tmp_path: Path, descriptor: int) -> None:
    for line in (b"one\n", b"two\n"):
        LogFile(tmp_path / "log", (descriptor,)).write(line)
    assert texts(tmp_path / "log") == ["one", "two"]
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_what_writes_to_the_descriptors_writes_to_it(tmp_path: Path, descriptor: int) -> None:
    log = LogFile(tmp_path / "log", (descriptor,), max_bytes=100)
    os.write(descriptor, b"of a child\n")
    log.write(b"x" * 100 + b"\n")
    os.write(descriptor, b"of another\n")
    assert rotated_log(tmp_path / "log").read_text().startswith("of a child\n")
    assert (tmp_path / "log").read_text() == "of another\n"


def test_it_grows_to_its_size_and_what_was_before_to_the_same(tmp_path: Path, descriptor: int) -> None:
    path = tmp_path / "log"
    log = LogFile(path, (descriptor,), max_bytes=1000)
    for number in range(200):
        log.write(b"line %d\n" % number)
    assert sorted(os.listdir(tmp_path)) == ["log", "log.1"]
    assert path.stat().st_size < 1000 <= rotated_log(path).stat().st_size < 1100
    kept = texts(rotated_log(path)) + texts(path)
    assert kept == [f"line {number}" for number in range(200 - len(kept), 200)]


def test_two_that_write_to_one_file_turn_it_once(tmp_path: Path, descriptor: int) -> None:
    other = os.open(os.devnull, os.O_RDWR)
    logs = [LogFile(tmp_path / "log", (fd,), max_bytes=100) for fd in (descriptor, other)]
    logs[0].write(b"x" * 100 + b"\n")
    logs[0].write(b"new\n")
    logs[1].write(b"to the old one, which is full\n")
    logs[1].write(b"newer\n")
    os.close(other)
    assert texts(tmp_path / "log") == ["new", "newer"]
    assert texts(rotated_log(tmp_path / "log")) == ["x" * 100, "to the old one, which is full"]


def test_a_disk_that_is_full_ends_no_process(descriptor: int) -> None:
    assert LogFile(Path("/dev/full"), (descriptor,)).write(b"lost\n") == 5
