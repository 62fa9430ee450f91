"""Connections through a running proxy: a server that speaks first, TLS of a backend, and what is shown of them."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.certificates import CertificateAuthority
from tests.support.proxy_process import Workspace
from tests.support.wait import wait_until

HOST = "127.0.0.1"
NAME = "shop.example"
PATIENCE = 20


@contextmanager
def serving(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that gives each connection a thread; `host:port`."""

    def work(client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            client.settimeout(PATIENCE)
            serve(client)

    def accept(listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=work, args=(listening.accept()[0],), daemon=True).start()

    with socket.create_server((HOST, 0)) as listening:
        thread = threading.Thread(target=accept, args=(listening,), daemon=True)
        thread.start()
        yield f"{HOST}:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(PATIENCE)


def greet(client: socket.socket) -> None:
    """Speak first, then echo until the client has ended, then say so."""
    client.sendall(b"220 ready\r\n")
    while data := client.recv(65536):
        client.sendall(data)
    client.sendall(b"bye\r\n")


def everything(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(65536), b""))


def test_a_server_may_speak_first_and_the_client_may_end_first(place: Workspace, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with serving(greet) as backend:
        words = ("--backend", backend, "--protocol", "tcp", "--access-log", str(log), "--access-log-format", "json")
        proxy = place.proxy(words=words)
        assert place.comes_to("ready")
        with socket.create_connection((HOST, proxy.port), PATIENCE) as client:
            client.sendall(b"x" * 100_000)
            client.shutdown(socket.SHUT_WR)
            assert everything(client) == b"220 ready\r\n" + b"x" * 100_000 + b"bye\r\n"
        with socket.create_connection((HOST, proxy.port), PATIENCE) as client:
            assert client.recv(100) == b"220 ready\r\n"
            assert wait_until(lambda: place.status()["backends"][0]["connections"] == 1)
        assert wait_until(lambda: place.status()["backends"][0]["connections"] == 0)
        (row,) = place.status()["backends"]
        assert (row["connections_total"], row["bytes_received"], row["bytes_sent"]) == (2, 100_000, 100_032)
        assert place.status()["totals"]["failed"] == 0
        proxy.ends_by(signal.SIGINT)
    # Each worker writes its own lines twenty times a second.
    first, _ = sorted(map(json.loads, log.read_text().splitlines()), key=lambda entry: -entry["received"])
    assert (first["protocol"], first["status"], first["error"]) == ("tcp", 200, None)
    assert (first["received"], first["sent"]) == (100_000, 100_016)


def test_tls_of_the_backend_reaches_the_client_untouched(place: Workspace, tmp_path: Path) -> None:
    certificates = CertificateAuthority().vouch(tmp_path / "tls", NAME)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")

    def answer(client: socket.socket) -> None:
        with context.wrap_socket(client, server_side=True) as tls:
            tls.sendall(tls.recv(100).upper())

    log = tmp_path / "log"
    with serving(answer) as backend:
        words = ("--backend", backend, "--access-log", str(log), "--access-log-format", "json")
        proxy = place.proxy(words=words)
        assert place.comes_to("ready")
        trusting = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
        with (
            socket.create_connection((HOST, proxy.port), PATIENCE) as plain,
            trusting.wrap_socket(plain, server_hostname=NAME) as tls,
        ):
            tls.sendall(b"hello")
            assert tls.recv(100) == b"HELLO"
        command = ["openssl", "s_client", "-connect", f"{HOST}:{proxy.port}", "-servername", NAME, "-quiet"]
        command += ["-verify_return_error", "-verify_hostname", NAME, "-CAfile", str(certificates / "ca.pem")]
        finished = subprocess.run(command, input=b"openssl\n", capture_output=True, timeout=PATIENCE, check=False)
        assert finished.stdout == b"OPENSSL\n", finished.stderr
        assert place.status()["notices"] == []
        assert wait_until(lambda: len(log.read_text().splitlines()) == 2)
        proxy.ends_by(signal.SIGINT)
    for line in map(json.loads, log.read_text().splitlines()):
        assert (line["protocol"], line["server_name"], line["status"]) == ("tls", NAME, 200)


@pytest.mark.slow
def test_a_client_that_waits_in_silence_is_told_of_once(place: Workspace) -> None:
    with serving(greet) as backend:
        proxy = place.proxy(words=("--backend", backend))
        assert place.comes_to("ready")
        with (
            socket.create_connection((HOST, proxy.port), PATIENCE),
            socket.create_connection((HOST, proxy.port), PATIENCE),
        ):
            assert wait_until(lambda: place.status()["notices"])
            (notice,) = place.status()["notices"]
            assert notice.startswith(f"a client of port {proxy.port} has sent nothing yet: ")
            assert "`--protocol tcp`" in notice
        *_, complaints = proxy.ends_by(signal.SIGINT)
        assert complaints.count(notice) == 1


@pytest.mark.parametrize("protocol", ["auto", "tls"])
@pytest.mark.slow
def test_what_begins_as_tls_and_is_none_is_told_of_truly(place: Workspace, protocol: str) -> None:
    with serving(greet) as backend:
        proxy = place.proxy(words=("--backend", backend, "--protocol", protocol))
        assert place.comes_to("ready")
        with socket.create_connection((HOST, proxy.port), PATIENCE) as client:
            client.sendall(b"\x16\x03\x01\xff\xff" + bytes(100))
            with contextlib.suppress(ConnectionResetError):
                assert everything(client) == b""
        assert wait_until(lambda: place.status()["notices"])
        (notice,) = place.status()["notices"]
        assert notice.startswith(f"clients of port {proxy.port} send something other than TLS where TLS is expected: ")
        proxy.ends_by(signal.SIGINT)


def test_the_end_waits_for_connections_and_then_resets_them(place: Workspace) -> None:
    with serving(greet) as backend:
        proxy = place.proxy(words=("--backend", backend, "--protocol", "tcp", "--drain-timeout", "4"))
        assert place.comes_to("ready")
        with socket.create_connection((HOST, proxy.port), PATIENCE) as client:
            assert client.recv(100) == b"220 ready\r\n"
            ended = threading.Thread(target=proxy.ends_by, args=(signal.SIGINT,))
            ended.start()
            client.sendall(b"still")
            assert client.recv(100) == b"still"
            with contextlib.suppress(ConnectionResetError):
                assert client.recv(1) != b"", "an end in order"
            ended.join(PATIENCE)
            assert not ended.is_alive()
