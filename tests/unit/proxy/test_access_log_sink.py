"""Where the lines go: what is written whole, and what is not."""

from __future__ import annotations

import errno
import os
import resource
import signal
import stat
from pathlib import Path

import pytest

from composectl.proxy.access_log import Sink


def test_a_new_file_is_its_owners_alone_and_grows(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    for _ in range(2):
        sink = Sink(str(log))
        assert sink.write(b"one\ntwo\n") == (2, None)
        sink.close()
    assert log.read_bytes() == b"one\ntwo\n" * 2
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_opened_anew_it_goes_on_in_the_file_that_has_the_name(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    sink = Sink(str(log))
    sink.write(b"one\n")
    log.rename(tmp_path / "access.log.1")
    sink.write(b"two\n")
    sink.reopen()
    sink.write(b"three\n")
    sink.close()
    assert ((tmp_path / "access.log.1").read_bytes(), log.read_bytes()) == (b"one\ntwo\n", b"three\n")


def test_a_log_that_cannot_be_reopened_goes_on_in_the_old_file(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    sink = Sink(str(log))
    log.rename(tmp_path / "access.log.1")
    log.mkdir()
    with pytest.raises(IsADirectoryError):
        sink.reopen()
    assert sink.write(b"one\n") == (1, None)
    sink.close()
    assert (tmp_path / "access.log.1").read_bytes() == b"one\n"


def test_a_pipe_needs_no_reader_and_waits_for_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    sink = Sink(str(pipe))
    assert sink.write(b"one\n") == (1, None)
    with pipe.open("rb", buffering=0) as reader:
        assert reader.read(10) == b"one\n"
    sink.close()


def test_a_full_disk_takes_nothing() -> None:
    sink = Sink("/dev/full")
    written, failure = sink.write(b"one\ntwo\n")
    assert (written, failure and failure.errno) == (0, errno.ENOSPC)
    sink.close()


def test_a_line_that_was_cut_is_no_part_of_the_next_one(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    sink = Sink(str(log))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handled = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (6, before[1]))
        written, failure = sink.write(b"one\ntwo\n")
        assert (written, failure and failure.errno) == (1, errno.EFBIG)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handled)
    assert sink.write(b"three\n") == (1, None)
    sink.close()
    assert log.read_bytes() == b"one\ntw\nthree\n"
