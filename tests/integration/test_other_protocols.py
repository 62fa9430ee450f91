"""Clients and backends that do not speak HTTP: what it is, and what helps, is told once in the log and shown since."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import threading
from pathlib import Path

import pytest

from tests.support.http_client import ask
from tests.support.proxy_process import Workspace
from tests.support.wait import wait_until

HOST = "127.0.0.1"
HELLO = b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"
BANNER = b"220 mail.test ESMTP\r\n"


def say(port: int, data: bytes) -> bytes:
    with socket.create_connection((HOST, port), timeout=10) as client:
        client.sendall(data)
        return client.recv(4096)


@pytest.mark.parametrize(
    ("data", "reason", "told"),
    [
        (HELLO, "tls", "clients speak TLS"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 50000 80\r\n", "proxy-protocol", "a proxy sends the PROXY protocol"),
    ],
    ids=["tls", "proxy protocol"],
)
def test_a_client_that_speaks_something_else_is_told_of_once(
    place: Workspace, data: bytes, reason: str, told: str
) -> None:
    log = place.folder / "access.log"
    proxy = place.proxy(place.backend(), words=("--protocol", "http", "--access-log", str(log)))
    assert place.comes_to("ready")
    for _ in range(2):
        assert b"\r\nX-Composectl-Error: %b\r\n" % reason.encode() in say(proxy.port, data)
    assert wait_until(lambda: place.status()["notices"])
    (notice,) = place.status()["notices"]
    assert notice.startswith(f"{told} to port {proxy.port}, which takes plain HTTP: ")
    assert notice in place.run("status")
    assert place.status()["totals"]["bad_requests"] == {reason: 2}
    assert wait_until(lambda: log.read_text().count(" 400 ") == 2)
    *_, complaints = proxy.ends_by(signal.SIGINT)
    assert complaints.count("warning: ") == complaints.count(notice) == 1


def test_a_client_that_speaks_no_http_is_told_of_once(place: Workspace) -> None:
    proxy = place.proxy(place.backend())
    assert place.comes_to("ready")
    for _ in range(2):
        assert b"\r\nX-Composectl-Error: not-http\r\n" in say(proxy.port, b"*1\r\n$4\r\nPING\r\n")
    assert wait_until(lambda: place.status()["notices"])
    (notice,) = place.status()["notices"]
    assert notice.startswith(f"clients of port {proxy.port} send something other than HTTP: `--protocol tcp` ")
    assert place.status()["totals"]["bad_requests"] == {"not-http": 2}
    *_, complaints = proxy.ends_by(signal.SIGINT)
    assert complaints.count("warning: ") == complaints.count(notice) == 1


@pytest.mark.parametrize(
    ("networks", "reason", "told"),
    [
        ((), "no-proxy-protocol", "a trusted proxy does not send the PROXY protocol to port {port}: "),
        (
            ("--trusted-proxies", "192.0.2.7"),
            "untrusted-proxy",
            "clients connect to port {port}, which takes connections of trusted proxies alone: ",
        ),
    ],
    ids=["trusted", "untrusted"],
)
@pytest.mark.slow
def test_a_proxy_that_does_not_tell_of_its_client_is_told_of_once(
    place: Workspace, tmp_path: Path, networks: tuple[str, ...], reason: str, told: str
) -> None:
    log = tmp_path / "log"
    words = ("--protocol", "tcp", "--accept-proxy-protocol", *networks, "--access-log", f"{log}")
    proxy = place.proxy(place.backend(), words=(*words, "--access-log-format", "json"))
    assert place.comes_to("ready")
    for _ in range(2):
        with contextlib.suppress(ConnectionResetError):
            assert say(proxy.port, b"PING\r\n") == b""
    assert wait_until(lambda: place.status()["notices"])
    (notice,) = place.status()["notices"]
    assert notice.startswith(told.format(port=proxy.port))
    assert place.status()["totals"]["bad_requests"] == {reason: 2}
    *_, complaints = proxy.ends_by(signal.SIGINT)
    assert complaints.count("warning: ") == complaints.count(notice) == 1
    for line in map(json.loads, log.read_text().splitlines()):
        assert (line["client"], line["protocol"], line["status"], line["error"]) == (HOST, "tcp", 400, reason)


def test_a_backend_that_speaks_first_is_told_of_once(place: Workspace) -> None:
    with socket.create_server((HOST, 0)) as server:

        def greet() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client, contextlib.suppress(OSError):
                    client.sendall(BANNER)
                    client.recv(1)

        threading.Thread(target=greet, daemon=True).start()
        port = server.getsockname()[1]
        proxy = place.proxy(words=("--backend", f"{HOST}:{port}"))
        assert place.comes_to("ready")
        for _ in range(2):
            answer = ask(proxy.port, host=HOST)
            assert (answer.status, answer.headers["X-Composectl-Error"]) == (502, "backend-is-not-http")
        assert wait_until(lambda: place.status()["notices"])
        (notice,) = place.status()["notices"]
        assert notice.startswith("the backends' port answers with something other than HTTP")
        assert [backend["phase"] for backend in place.status()["backends"]] == ["ready"]
        *_, complaints = proxy.ends_by(signal.SIGINT)
        assert complaints.count(notice) == 1
        server.shutdown(socket.SHUT_RDWR)
