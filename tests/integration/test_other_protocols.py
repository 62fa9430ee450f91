"""Clients and backends that do not speak HTTP: what it is, and what helps, is told once in the log and shown since."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading

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


def test_a_client_that_speaks_tls_is_told_of_once(place: Workspace) -> None:
    proxy = place.proxy(place.backend(), words=("--protocol", "http"))
    assert place.comes_to("ready")
    for _ in range(2):
        assert b"\r\nX-Composectl-Error: tls\r\n" in say(proxy.port, HELLO)
    assert wait_until(lambda: place.status()["notices"])
    (notice,) = place.status()["notices"]
    assert notice.startswith(f"clients speak TLS to port {proxy.port}, which takes plain HTTP: ")
    assert place.status()["totals"]["bad_requests"] == {"tls": 2}
    *_, complaints = proxy.ends_by(signal.SIGINT)
    assert complaints.count("warning: ") == complaints.count(notice) == 1


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
