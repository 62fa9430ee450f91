"""`--backend-tls`: backends that speak TLS alone are balanced, checked and counted like all others."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import grpc
import pytest

from tests.support.cli_error import cli_error_in
from tests.support.grpc_backend import GrpcBackend, GrpcClient
from tests.support.http_client import ask
from tests.support.proxy_process import ProxyProcess, Workspace
from tests.support.tls_peers import TlsAuthority
from tests.support.wait import wait_until

HOST = "127.0.0.1"


@pytest.fixture
def authority(tmp_path: Path) -> TlsAuthority:
    return TlsAuthority(tmp_path)


def serves(place: Workspace, proxy: ProxyProcess, addresses: set[str]) -> None:
    """It balances over these, and has failed nothing."""
    assert {ask(proxy.port, host=HOST).text for _ in range(10)} == addresses
    totals = place.status()["totals"]
    assert (totals["requests"], totals["failed"]) == (10, 0)
    proxy.ends_by(signal.SIGINT)


@pytest.mark.parametrize("words", [(), ("--health-check-path", "/well")])
@pytest.mark.parametrize("mode", ["ca", "insecure"])
def test_requests_are_balanced_over_tls(
    place: Workspace, authority: TlsAuthority, mode: str, words: tuple[str, ...]
) -> None:
    tls = authority.server("backend", HOST)
    backends = [place.backend(tls=tls) for _ in range(2)]
    given = f"{authority.ca}" if mode == "ca" else mode
    proxy = place.proxy(*backends, words=("--backend-tls", given, *words))
    assert place.comes_to("ready", "ready")
    serves(place, proxy, {backend.address for backend in backends})


@pytest.mark.slow
def test_the_authorities_of_the_system_are_the_default(place: Workspace, authority: TlsAuthority) -> None:
    backend = place.backend(tls=authority.server("backend", HOST))
    words = (
        "--listen",
        f"{HOST}:{place.port()}",
        "--backend",
        backend.address,
        "--queue-timeout",
        "1",
        "--backend-tls",
    )
    proxy = place.starts(*words)
    assert wait_until(lambda: "its certificate is not trusted: " in reason(place))
    assert ask(proxy.port, host=HOST).status == 503
    proxy.ends_by(signal.SIGINT)


def reason(place: Workspace) -> str:
    """Why the only backend is not ready."""
    return " ".join(waiting["reason"] for waiting in place.status()["waiting"])


@pytest.mark.parametrize(
    ("names", "told"),
    [(("other.test",), "its certificate is not trusted: IP address mismatch"), ((), "no TLS came to be: ")],
)
def test_a_backend_that_is_another_or_plain_is_not_ready(
    place: Workspace, authority: TlsAuthority, names: tuple[str, ...], told: str
) -> None:
    backend = place.backend(tls=authority.server("backend", *names) if names else None)
    proxy = place.proxy(backend, words=("--backend-tls", f"{authority.ca}"))
    assert wait_until(lambda: told in reason(place))
    proxy.ends_by(signal.SIGINT)


def test_a_backend_is_known_by_its_host(place: Workspace, authority: TlsAuthority) -> None:
    backend = place.backend(tls=authority.server("backend", "localhost"))
    words = ("--listen", f"{HOST}:{place.port()}", "--backend", f"localhost:{backend.port}")
    proxy = place.starts(*words, "--backend-tls", f"{authority.ca}")
    assert place.comes_to("ready")
    serves(place, proxy, {backend.address})


def test_calls_of_grpc_go_on_over_tls(place: Workspace, authority: TlsAuthority) -> None:
    certificate, key = authority.issue("backend", HOST)
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
    servers = [GrpcBackend(f"server-{number}", credentials=credentials) for number in range(2)]
    words = [word for server in servers for word in ("--backend", server.address)]
    words += ["--backend-tls", f"{authority.ca}", "--health-check-grpc"]
    proxy = place.starts("--listen", f"{HOST}:0", *words)
    assert place.comes_to("ready", "ready")
    client = GrpcClient(proxy.port)
    assert {bytes(client.unary(b"x", timeout=20)).partition(b":")[0] for _ in range(20)} == {b"server-0", b"server-1"}
    client.close()
    for server in servers:
        server.close()
    proxy.ends_by(signal.SIGINT)


def test_both_sides_may_speak_tls(place: Workspace, authority: TlsAuthority) -> None:
    backend = place.backend(tls=authority.server("backend", HOST))
    certificate, key = authority.issue("shop", "localhost")
    words = ("--tls-cert", f"{certificate}", "--tls-key", f"{key}", "--backend-tls", f"{authority.ca}")
    proxy = place.proxy(backend, words=words)
    assert place.comes_to("ready")
    context = authority.client()
    with (
        socket.create_connection((HOST, proxy.port)) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as tls,
    ):
        tls.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: tls.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(backend.address.encode())
    proxy.ends_by(signal.SIGINT)


def test_a_file_that_holds_no_authorities(place: Workspace, tmp_path: Path) -> None:
    good = ("--listen", f"{HOST}:0", "--backend", f"{HOST}:9001", "--backend-tls")
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")
    for path, why in ((tmp_path / "none", "No such file or directory"), (nonsense, "it holds no certificate in PEM")):
        error = cli_error_in(place.composectl("proxy", *good, f"{path}"))
        assert (error.exit_code, error.message) == (2, f"cannot use the authorities in {path}: {why}")
    assert place.leftovers() == []
