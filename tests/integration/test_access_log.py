"""The access log of `composectl proxy`: a line for each request, of which no client notices anything."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli_error import cli_error_in
from tests.support.command_line import command_line
from tests.support.http_client import ask
from tests.support.large_backend import LargeBackend
from tests.support.proxy_process import Workspace, parse_summary
from tests.support.threaded_backend import PATIENCE
from tests.support.wait import wait_until

HOST = "127.0.0.1"
COMBINED = re.compile(
    r'127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET (\S+) HTTP/1\.1" 200 \d+ "-" "-"'
    r" 127\.0\.0\.1:\d+ \d+\.\d{6} 0 [0-9a-f]{32}"
)
GOOD = ("--listen", "127.0.0.1:0", "--backend", "127.0.0.1:9001")
# More than a pipe and the log itself hold
MANY = 18_000


@pytest.fixture
def fast() -> Iterator[LargeBackend]:
    backend = LargeBackend()
    yield backend
    backend.close()


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def log_of(place: Workspace) -> dict[str, Any] | None:
    log: dict[str, Any] | None = json.loads(place.run("status", "--json"))["access_log"]
    return log


def ask_many(port: int, requests: int, path: str = "/") -> int:
    """So many GETs on one connection, sent without waiting for the answers; how many are answered."""
    request = f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    with socket.create_connection((HOST, port), timeout=PATIENCE) as client:
        sending = threading.Thread(target=client.sendall, args=(request * requests,))
        sending.start()
        answered, tail = 0, b""
        while answered < requests and (data := client.recv(1 << 20)):
            data = tail + data
            answered += data.count(b"\r\n\r\nhello")
            tail = data[-8:] if not data.endswith(b"\r\n\r\nhello") else b""
        sending.join()
    return answered


def test_each_request_is_a_line_in_a_file_of_ours_alone(place: Workspace) -> None:
    backend = place.backend()
    proxy = place.proxy(backend, words=("--access-log", "access.log"))
    for path in ("/a?token=secret", '/b"c'):
        assert ask(proxy.port, path, host=HOST).status == 200
    log = place.folder / "access.log"
    assert wait_until(lambda: len(lines(log)) == 2)
    matches = [COMBINED.fullmatch(line) for line in lines(log)]
    assert [match[1] for match in matches if match] == ["/a", r"/b\x22c"]
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert log_of(place) == {"written": 2, "dropped": 0}
    assert proxy.ends_by(signal.SIGTERM)[2] == ""


def test_the_next_one_adds_to_the_file_and_keeps_its_mode(place: Workspace) -> None:
    log = place.folder / "access.log"
    log.write_text("before\n")
    log.chmod(0o640)
    proxy = place.proxy(place.backend(), words=("--access-log", str(log), "--access-log-format", "json"))
    assert ask(proxy.port, "/a", host=HOST, X_Request_ID="mine-1").headers["X-Request-ID"] == "mine-1"
    proxy.ends_by(signal.SIGTERM)
    first, second = lines(log)
    assert first == "before"
    entry = json.loads(second)
    assert (entry["path"], entry["status"], entry["request_id"]) == ("/a", 200, "mine-1")
    assert stat.S_IMODE(log.stat().st_mode) == 0o640


def test_in_the_background_the_file_is_where_it_was_typed(place: Workspace) -> None:
    backend = place.backend()
    words = ("--listen", "127.0.0.1:0", "--backend", backend.address, "--access-log", "access.log", "-d")
    _, (port,) = parse_summary(place.run("proxy", *words))
    assert ask(port, host=HOST).status == 200
    place.run("down")
    assert len(lines(place.folder / "access.log")) == 1


def test_without_it_there_is_none(place: Workspace) -> None:
    proxy = place.proxy(place.backend())
    assert ask(proxy.port, host=HOST).status == 200
    assert log_of(place) is None
    proxy.process.send_signal(signal.SIGUSR1)  # of a logrotate that does not know
    assert ask(proxy.port, host=HOST).status == 200
    proxy.ends_by(signal.SIGTERM)


def test_a_rotation_loses_no_line(place: Workspace, fast: LargeBackend) -> None:
    proxy = place.starts("--listen", "127.0.0.1:0", "--backend", fast.address, "--access-log", "access.log")
    log = place.folder / "access.log"
    for number in range(5):
        asking = threading.Thread(target=ask_many, args=(proxy.port, 1000, f"/{number}"))
        asking.start()
        log.rename(place.folder / f"access.log.{number}")
        proxy.process.send_signal(signal.SIGUSR1)
        assert wait_until(log.exists)
        asking.join()
    proxy.ends_by(signal.SIGTERM)
    every = [line for path in place.folder.glob("access.log*") for line in lines(path)]
    assert len(every) == 5000
    assert all(map(COMBINED.fullmatch, every))


@pytest.mark.slow
def test_the_old_file_goes_on_where_it_cannot_be_opened_anew(place: Workspace) -> None:
    folder = place.folder / "logs"
    folder.mkdir()
    proxy = place.proxy(place.backend(), words=("--access-log", "logs/access.log"))
    ask(proxy.port, host=HOST)
    folder.rename(place.folder / "elsewhere")
    proxy.process.send_signal(signal.SIGUSR1)
    assert ask(proxy.port, host=HOST).status == 200
    assert wait_until(lambda: len(lines(place.folder / "elsewhere/access.log")) == 2)
    assert wait_until(lambda: "access log: No such file or directory\n" in proxy.complaints())
    proxy.ends_by(signal.SIGTERM)


@pytest.mark.slow
def test_a_pipe_without_a_reader_delays_no_request(place: Workspace, fast: LargeBackend) -> None:
    pipe = place.folder / "pipe"
    os.mkfifo(pipe)
    proxy = place.starts("--listen", "127.0.0.1:0", "--backend", fast.address, "--access-log", "pipe")
    assert ask_many(proxy.port, MANY) == MANY
    assert wait_until(lambda: (log_of(place) or {})["dropped"] > 0)
    assert wait_until(lambda: re.search(r"access log: dropped [\d,]+ lines?: reader too slow\n", proxy.complaints()))
    exit_code, _, _ = proxy.ends_by(signal.SIGTERM)
    assert exit_code == 143


def test_a_full_disk_is_of_no_concern_to_clients(place: Workspace) -> None:
    proxy = place.proxy(place.backend(), words=("--access-log", "/dev/full"))
    for _ in range(3):
        assert ask(proxy.port, host=HOST).status == 200
    assert wait_until(lambda: log_of(place) == {"written": 0, "dropped": 3})
    said = r"access log: dropped [123] lines?: No space left on device\n"
    assert wait_until(lambda: re.search(said, proxy.complaints()))
    proxy.ends_by(signal.SIGTERM)


def test_on_stdout_there_is_nothing_else(place: Workspace) -> None:
    backend = place.backend()
    with on_stdout(place, backend.address) as proxy:
        assert ask(port_told_by(proxy), host=HOST).status == 200
        proxy.send_signal(signal.SIGTERM)
        said, complained = proxy.communicate(timeout=PATIENCE)
    assert COMBINED.fullmatch(said.rstrip("\n"))
    assert f"{backend.address} ready -> draining" in complained


def test_a_stdout_without_a_reader_does_not_concern_clients(place: Workspace) -> None:
    with on_stdout(place, place.backend().address) as proxy:
        port = port_told_by(proxy)
        assert proxy.stdout
        proxy.stdout.close()
        for _ in range(3):
            assert ask(port, host=HOST).status == 200
        assert wait_until(lambda: log_of(place) == {"written": 0, "dropped": 3})
        proxy.send_signal(signal.SIGTERM)
        assert proxy.wait(PATIENCE) == 143


@pytest.mark.parametrize("drain", ["0", "30"], ids=["in no time", "by force"])
def test_what_is_cut_at_the_end_is_told(place: Workspace, drain: str) -> None:
    backend = place.backend()
    words = ("--access-log", "access.log", "--access-log-format", "json", "--drain-timeout", drain)
    proxy = place.proxy(backend, words=words)
    assert place.comes_to("ready")
    with socket.create_connection((HOST, proxy.port), timeout=PATIENCE) as client:
        client.sendall(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
        assert backend.asked.wait(PATIENCE)
        proxy.process.send_signal(signal.SIGTERM)
        if drain != "0":
            assert place.comes_to("draining")
            proxy.process.send_signal(signal.SIGTERM)
        proxy.ends_by()
    (line,) = lines(place.folder / "access.log")
    entry = json.loads(line)
    assert (entry["path"], entry["status"], entry["error"]) == ("/held", 499, "cut")


@pytest.mark.parametrize(
    ("words", "culprit"),
    [
        (("--access-log", "/"), "/: Is a directory"),
        (("--access-log", "nowhere/access.log"), "nowhere/access.log: No such file or directory"),
        (("--access-log", "-", "-d"), "`--access-log -`"),
        (("--access-log", "a", "--access-log-format", "jsno"), "`jsno`"),
        (("--access-log-format", "json"), "`--access-log-format` requires `--access-log`"),
        (("--access-log-query",), "`--access-log-query` requires `--access-log`"),
        (("--access-log-header", "Host"), "`--access-log-header` requires `--access-log`"),
        (("--access-log", "a", "--access-log-header", "no header"), "`no header`"),
        (("--access-log", "a", "--access-log-header", "Host"), "`host`"),
    ],
)
def test_words_that_make_no_sense(place: Workspace, words: tuple[str, ...], culprit: str) -> None:
    error = cli_error_in(place.composectl("proxy", *GOOD, *words))
    assert error.exit_code == 2
    assert culprit in error.message
    assert list(place.folder.iterdir()) == []


def test_a_format_that_is_mistyped(place: Workspace) -> None:
    words = ("--access-log", "a", "--access-log-format", "jsno")
    assert cli_error_in(place.composectl("proxy", *GOOD, *words)).hint == "did you mean `json`?"


def on_stdout(place: Workspace, backend: str) -> subprocess.Popen[str]:
    """A proxy whose stdout is its access log."""
    return subprocess.Popen(
        command_line("proxy", "--listen", "127.0.0.1:0", "--backend", backend, "--access-log", "-"),
        cwd=place.folder,
        env=place.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def port_told_by(proxy: subprocess.Popen[str]) -> int:
    assert proxy.stderr
    _, (port,) = parse_summary(proxy.stderr.readline())
    return port
