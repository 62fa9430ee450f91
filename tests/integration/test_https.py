"""`composectl proxy` with certificates: the clients of others, what is refused, and what is shown."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.cli_error import cli_error_in
from tests.support.command_line import command_line
from tests.support.grpc_backend import GrpcBackend, GrpcClient
from tests.support.http_client import ask
from tests.support.proxy_process import ProxyProcess, Workspace
from tests.support.tls_peers import TlsAuthority
from tests.support.unprivileged import unprivileged
from tests.support.wait import wait_until

HOST = "127.0.0.1"
NAME = "shop.test"
GOOD = ("--listen", f"{HOST}:0", "--backend", f"{HOST}:9001")


@pytest.fixture
def authority(tmp_path: Path) -> TlsAuthority:
    return TlsAuthority(tmp_path)


@pytest.fixture
def words(authority: TlsAuthority) -> tuple[str, ...]:
    """The options for a certificate of `NAME`."""
    certificate, key = authority.issue("shop", NAME)
    return "--tls-cert", f"{certificate}", "--tls-key", f"{key}"


@pytest.fixture
def proxy(place: Workspace, words: tuple[str, ...]) -> ProxyProcess:
    proxy = place.proxy(place.backend(), words=words)
    assert place.comes_to("ready")
    return proxy


def curl(authority: TlsAuthority, port: int, *options: str) -> str:
    """What curl prints of the page, and, behind it, the version of HTTP and the status."""
    command = ["curl", "--silent", "--show-error", "--max-time", "30", "--cacert", f"{authority.ca}"]
    command += ["--resolve", f"{NAME}:{port}:{HOST}", "--write-out", " %{http_version} %{http_code}", *options]
    done = subprocess.run([*command, f"https://{NAME}:{port}/"], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    return done.stdout


# Clients


@pytest.mark.parametrize(
    ("options", "version"),
    [((), "2"), (("--http1.1",), "1.1"), (("--tls-max", "1.2"), "2"), (("--tls-max", "1.2", "--http1.1"), "1.1")],
)
def test_curl_speaks_each_version(
    place: Workspace, authority: TlsAuthority, proxy: ProxyProcess, options: tuple[str, ...], version: str
) -> None:
    (backend,) = place.status()["backends"]
    assert curl(authority, proxy.port, *options) == f"{backend['address']} {version} 200"
    proxy.ends_by(signal.SIGINT)


@pytest.mark.parametrize("options", [("-tls1_2",), ("-tls1_3",)])
def test_openssl_finds_a_whole_chain_and_no_renegotiation(
    authority: TlsAuthority, proxy: ProxyProcess, options: tuple[str, ...]
) -> None:
    command = ["openssl", "s_client", "-connect", f"{HOST}:{proxy.port}", "-servername", NAME, "-verify_hostname", NAME]
    done = subprocess.run(
        [*command, "-CAfile", f"{authority.ca}", "-verify_return_error", "-alpn", "h2", *options],
        input="R\n",  # asks for a renegotiation
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Verify return code: 0 (ok)" in done.stdout
    assert "ALPN protocol: h2" in done.stdout
    assert "Compression: NONE" in done.stdout
    assert done.returncode != 0 or options == ("-tls1_3",)  # no version 1.3 has a renegotiation
    proxy.ends_by(signal.SIGINT)


def test_grpc_over_tls_is_balanced_call_by_call(
    place: Workspace, authority: TlsAuthority, words: tuple[str, ...]
) -> None:
    servers = [GrpcBackend(f"server-{number}") for number in range(2)]
    backends = [word for server in servers for word in ("--backend", server.address)]
    proxy = place.starts("--listen", f"{HOST}:0", *backends, *words)
    assert place.comes_to("ready", "ready")
    client = GrpcClient(proxy.port, ca=authority.ca.read_bytes(), name=NAME)
    served = {bytes(client.unary(b"x", timeout=20)).partition(b":")[0] for _ in range(20)}
    assert served == {b"server-0", b"server-1"}
    client.close()
    for server in servers:
        server.close()
    proxy.ends_by(signal.SIGINT)


def test_the_port_is_shown_as_https(place: Workspace, authority: TlsAuthority, proxy: ProxyProcess) -> None:
    curl(authority, proxy.port)
    (port,) = place.status()["ports"]
    assert (port["protocol"], port["recognised"]) == ("https", {"http/2": 1})
    proxy.ends_by(signal.SIGINT)


# Certificates that change


def test_a_renewed_certificate_is_served_and_a_bad_one_is_told_of(
    place: Workspace, authority: TlsAuthority, proxy: ProxyProcess
) -> None:
    before = serial_at(proxy.port)
    certificate, _ = authority.issue("shop", NAME)
    assert wait_until(lambda: serial_at(proxy.port) != before)
    renewed = serial_at(proxy.port)
    certificate.write_text("nonsense")
    told = f"{certificate} holds no certificate in PEM: the certificate of before goes on being served"
    assert proxy.complaint_with(told)
    assert place.status()["notices"] == [told]
    assert serial_at(proxy.port) == renewed
    authority.issue("shop", NAME)
    assert wait_until(lambda: place.status()["notices"] == [])
    proxy.ends_by(signal.SIGINT)


def test_the_end_of_a_certificate_is_told_of(place: Workspace, authority: TlsAuthority) -> None:
    certificate, key = authority.issue("shop", NAME, days=2)
    proxy = place.proxy(place.backend(), words=("--tls-cert", f"{certificate}", "--tls-key", f"{key}"))
    assert proxy.complaint_with(f"the certificate for {NAME} expires on ")
    proxy.ends_by(signal.SIGINT)


def serial_at(port: int) -> str:
    """That of the certificate which a client of this port gets."""
    ask = ["openssl", "s_client", "-connect", f"{HOST}:{port}", "-servername", NAME]
    shown = subprocess.run(ask, input="", capture_output=True, text=True, timeout=60, check=False)
    read = ["openssl", "x509", "-noout", "-serial"]
    return subprocess.run(read, input=shown.stdout, capture_output=True, text=True, timeout=60, check=True).stdout


# What is refused


def test_a_file_that_is_missing(place: Workspace, authority: TlsAuthority, tmp_path: Path) -> None:
    _, key = authority.issue("shop", NAME)
    error = cli_error_in(place.composectl("proxy", *GOOD, "--tls-cert", f"{tmp_path}/none", "--tls-key", f"{key}"))
    message = f"cannot read the certificate {tmp_path}/none: No such file or directory"
    assert (error.exit_code, error.message) == (2, message)
    assert place.leftovers() == []


def test_a_key_that_must_not_be_read(place: Workspace, authority: TlsAuthority) -> None:
    certificate, key = authority.issue("shop", NAME)
    key.chmod(0)
    command = command_line("proxy", *GOOD, "--tls-cert", f"{certificate}", "--tls-key", f"{key}")
    error = cli_error_in(
        subprocess.run(
            [*unprivileged(), *command],
            cwd=place.folder,
            env=place.environment(PATH=os.defpath),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    )
    assert (error.exit_code, error.message) == (2, f"cannot read the key {key}: Permission denied")
    assert place.leftovers() == []


def test_a_key_that_others_may_read(place: Workspace, authority: TlsAuthority) -> None:
    certificate, key = authority.issue("shop", NAME)
    key.chmod(0o644)
    error = cli_error_in(place.composectl("proxy", *GOOD, "--tls-cert", f"{certificate}", "--tls-key", f"{key}"))
    assert (error.exit_code, error.message) == (2, f"the key {key} can be read or changed by others (mode 0644)")
    assert error.hint == f"`chmod 600 {key}` leaves it to its owner"
    assert place.leftovers() == []


@pytest.mark.slow
def test_a_key_that_others_come_to_read_is_told_of_until_that_is_mended(
    place: Workspace, authority: TlsAuthority, proxy: ProxyProcess
) -> None:
    _, key = authority.issue("shop", NAME)
    key.chmod(0o644)
    assert proxy.complaint_with("(mode 0644): the certificate of before goes on being served")
    key.chmod(0o600)
    assert wait_until(lambda: place.status()["notices"] == [])
    proxy.ends_by(signal.SIGINT)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--tls-cert", "a"), "there is 1 `--tls-cert` and 0 `--tls-key`s"),
        (("--tls-key", "a", "--tls-key", "a"), "there are 0 `--tls-cert`s and 2 `--tls-key`s"),
        (("--tls", "acmee"), "invalid value `acmee` for `--tls`"),
        (("--tls", "internal", "--domain", "a b"), "invalid value `a b` for `--domain`"),
        (("--hsts",), "`--hsts` means nothing without TLS"),
        (("--strict-sni",), "`--strict-sni` means nothing without TLS"),
        (("--tls-port", "443"), "`--tls-port` means nothing without TLS"),
        (("--tls-port", "https"), "invalid value `https` for `--tls-port`: expected a port from 1 to 65535"),
        (("--tls-cert", "a", "--tls-key", "a", "--protocol", "tcp"), "`--tls-cert` works on HTTP requests"),
    ],
)
def test_words_that_make_no_sense(place: Workspace, words: tuple[str, ...], message: str) -> None:
    error = cli_error_in(place.composectl("proxy", *GOOD, *words))
    assert error.exit_code == 2
    assert error.message.startswith(message)
    assert place.leftovers() == []


def test_tls_on_one_port_leaves_the_others_plain(
    place: Workspace, authority: TlsAuthority, words: tuple[str, ...]
) -> None:
    tls, plain, backend = place.port(), place.port(), place.backend()
    listen = ("--listen", f"{HOST}:{plain}", "--listen", f"{HOST}:{tls}")
    proxy = place.starts(*listen, "--backend", backend.address, *words, "--tls-port", f"{tls}")
    assert place.comes_to("ready")
    assert curl(authority, tls) == f"{backend.address} 2 200"
    assert ask(plain, host=HOST).text == backend.address
    assert [port["protocol"] for port in place.status()["ports"]] == ["auto", "https"]
    proxy.ends_by(signal.SIGINT)


def test_a_port_that_is_not_listened_on(place: Workspace, words: tuple[str, ...]) -> None:
    listen = ("--listen", f"{HOST}:{place.port()}", "--listen", f"{HOST}:{place.port()}")
    error = cli_error_in(place.composectl("proxy", *GOOD, *listen, *words, "--tls-port", "443"))
    assert error.exit_code == 2
    assert error.message == "`--tls-port 443` is none of the ports for HTTP that are listened on"
