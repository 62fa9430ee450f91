"""What stdout and stderr do not take is dropped, and nothing is raised."""

from __future__ import annotations

import os
import pty
from collections.abc import Iterator

import pytest

from composectl.screen.output import UnfailingOutput


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    for descriptor in (reader, writer):
        try:
            os.close(descriptor)
        except OSError:
            assert descriptor == reader


def fill(descriptor: int) -> int:
    """Write until nothing more is taken; returns how much that was."""
    os.set_blocking(descriptor, False)
    filled = 0
    try:
        while True:
            filled += os.write(descriptor, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(descriptor, True)
        return filled


def test_what_is_taken_arrives_whole(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    assert UnfailingOutput(writer).write(b"a line\n" * 1000) == 7000
    assert os.read(reader, 65536) == b"a line\n" * 1000


def test_a_reader_that_has_gone_is_given_up(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.close(reader)
    output = UnfailingOutput(writer)
    assert output.write(b"a line\n") == 7
    assert os.write(writer, b"what another program writes there") > 0


def test_a_reader_that_has_gone_is_noticed_without_a_word(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    output = UnfailingOutput(writer)
    output.check()
    os.write(writer, b"it is there")
    os.close(reader)
    output.check()
    assert os.write(writer, b"what another program writes there") > 0


def test_a_reader_that_does_not_read_gets_whole_lines_again_later(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    output = UnfailingOutput(writer)
    filled = fill(writer)
    for _ in range(1000):
        assert output.write(b"a line\n") == 7
    assert len(os.read(reader, filled)) == filled
    output.write(b"another line\n")
    assert os.read(reader, 65536) == b"another line\n"


def test_a_line_that_was_torn_is_ended_before_the_next(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    output = UnfailingOutput(writer)
    output.write(b"y" * 1_000_000 + b"\n")
    torn = os.read(reader, 1_000_000)
    assert set(torn) == set(b"y")
    output.write(b"a line\n")
    assert os.read(reader, 65536) == b"\na line\n"


def test_a_full_disk_takes_nothing() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    assert UnfailingOutput(full).write(b"a line\n") == 7
    os.close(full)


def test_a_terminal_that_has_vanished_is_given_up() -> None:
    keys, terminal = pty.openpty()
    output = UnfailingOutput(terminal)
    assert output.isatty()
    os.close(keys)
    assert output.write(b"a line\n") == 7
    assert not output.isatty()
    os.close(terminal)
