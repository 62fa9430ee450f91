"""The thread that writes: everything, in order, and at the end no longer than it may."""

from __future__ import annotations

import json
import os
import threading
import time
from datetime import datetime
from pathlib import Path

from composectl.proxy.access_line import JSON, LineStyle
from composectl.proxy.access_sink import Sink
from composectl.proxy.access_writer import AccessWriter
from composectl.proxy.entry import Entry


def entries(*targets: bytes) -> list[Entry]:
    made = [Entry("echo", 80, "192.0.2.1", b"GET", target, "1.1", b"", {}) for target in targets]
    for entry in made:
        entry.end(200, "")
    return made


def targets(log: Path) -> list[str]:
    return [line.split('"GET ', 1)[1].split(" ", 1)[0] for line in log.read_text().splitlines()]


def test_at_the_end_everything_is_written_in_its_order(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    writer = AccessWriter(Sink(str(log)), LineStyle())
    asked = [b"/%d" % number for number in range(100)]
    writer.take(entries(*asked[:50]))
    writer.take(entries(*asked[50:]))
    writer.close()
    assert targets(log) == [target.decode() for target in asked]
    assert (writer.written, writer.lost, writer.waiting) == (100, 0, 0)


def test_what_was_given_before_goes_to_the_old_file(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    writer = AccessWriter(Sink(str(log)), LineStyle())
    writer.take(entries(b"/old"))
    log.rename(tmp_path / "access.log.1")
    writer.reopen()
    writer.take(entries(b"/new"))
    writer.close()
    assert (targets(tmp_path / "access.log.1"), targets(log)) == (["/old"], ["/new"])


def test_the_time_is_that_of_the_calendar(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    writer = AccessWriter(Sink(str(log)), LineStyle(JSON))
    before = time.time()
    writer.take(entries(b"/"))
    writer.close()
    told = datetime.fromisoformat(json.loads(log.read_text())["time"]).timestamp()
    assert before - 0.002 < told < time.time()


def test_a_fault_of_ours_is_told_and_the_next_entries_are_written(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    writer = AccessWriter(Sink(str(log)), LineStyle())
    (faulty,) = entries(b"/faulty")
    faulty.replica = "none"  # type: ignore[assignment]
    writer.take([faulty])
    writer.take(entries(b"/good"))
    writer.close()
    assert targets(log) == ["/good"]
    assert writer.lost == 1
    assert writer.complaint.startswith("a fault in composectl: ")


def test_a_pipe_that_nobody_reads_does_not_keep_it_from_ending(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = AccessWriter(Sink(str(pipe)), LineStyle())
    writer.take(entries(*[b"/" + b"x" * 1000] * 100))
    writer.close()
    assert writer.waiting == 100
    with pipe.open("rb", buffering=0) as reader:
        lines = 0
        while lines < 100:
            lines += reader.read(1 << 16).count(b"\n")
    for thread in threading.enumerate():
        if thread.name == "access log":
            thread.join()
