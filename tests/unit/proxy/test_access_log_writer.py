"""The thread that writes: everything, in order, and at the end no longer than it may."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from composectl.proxy import access_log
from composectl.proxy.access_log import AccessWriter, Sink
from tests.support.raw_http import PATIENCE


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is, the thread has the time that it takes."""
    monkeypatch.setattr(access_log, "_LAST_SECONDS", PATIENCE)


def lines(*targets: str) -> list[str]:
    return [f"{target}\n" for target in targets]


@pytest.mark.usefixtures("patient")
def test_at_the_end_everything_is_written_in_its_order(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    writer = AccessWriter(Sink(str(log)))
    written = lines(*map(str, range(100)))
    writer.write(written[:50])
    writer.write(written[50:])
    writer.close()
    assert log.read_text() == "".join(written)
    assert (writer.written, writer.lost, writer.waiting) == (100, 0, 0)


@pytest.mark.usefixtures("patient")
def test_what_was_given_before_goes_to_the_old_file(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    writer = AccessWriter(Sink(str(log)))
    writer.write(["old\n"])
    log.rename(tmp_path / "access.log.1")
    writer.reopen()
    writer.write(["new\n"])
    writer.close()
    assert ((tmp_path / "access.log.1").read_text(), log.read_text()) == ("old\n", "new\n")


@pytest.mark.usefixtures("patient")
def test_a_malformed_line_keeps_no_other_line_from_the_file(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    writer = AccessWriter(Sink(str(log)))
    writer.write(["before\n", "\u00e9\ud800\n"])
    writer.write(["after\n"])
    writer.close()
    assert log.read_text() == "before\n\\xe9\\ud800\nafter\n"
    assert (writer.written, writer.lost) == (3, 0)


def test_a_pipe_without_a_reader_does_not_keep_it_from_ending(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = AccessWriter(Sink(str(pipe)))
    writer.write(["x" * 1000 + "\n"] * 100)
    writer.close()
    assert writer.waiting == 100
    with pipe.open("rb", buffering=0) as reader:
        read = 0
        while read < 100:
            read += reader.read(1 << 16).count(b"\n")
    for thread in threading.enumerate():
        if thread.name == "access log":
            thread.join()
