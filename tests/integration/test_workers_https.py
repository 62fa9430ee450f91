"""`--workers 2` with certificates and guards: to clients, two processes are one server."""

from __future__ import annotations

import os
import signal
import socket
import ssl
from pathlib import Path

import pytest

from composectl.control.client import running_daemons
from tests.support.http_client import ask
from tests.support.proxy_process import ProxyProcess, Workspace
from tests.support.tls_peers import TlsAuthority
from tests.support.wait import wait_until

HOST = "127.0.0.1"
NAME = "shop.test"
TWO = ("--workers", "2")
CONNECTIONS = 24  # by which each of two workers is met, but for one time in ten million


@pytest.fixture
def authority(tmp_path: Path) -> TlsAuthority:
    return TlsAuthority(tmp_path)


def started(place: Workspace, authority: TlsAuthority, *words: str) -> ProxyProcess:
    certificate, key = authority.issue("shop", NAME)
    files = ("--tls-cert", f"{certificate}", "--tls-key", f"{key}")
    proxy = place.proxy(place.backend(), words=(*TWO, *files, *words))
    assert place.comes_to("ready")
    return proxy


def connected(port: int, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> ssl.SSLSocket:
    """A client that has asked once, and so has the tickets that the server sends."""
    plain = socket.create_connection((HOST, port), timeout=60)
    tls = context.wrap_socket(plain, server_hostname=NAME, session=session)
    tls.sendall(b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n")
    while tls.recv(65536):
        pass
    return tls


def serials(port: int, authority: TlsAuthority) -> set[str]:
    """Of the certificates that many connections meet."""
    found = set()
    for _ in range(CONNECTIONS):
        with connected(port, authority.client()) as tls:
            found.add(str((tls.getpeercert() or {})["serialNumber"]))
    return found


def pids_of(place: Workspace) -> list[int]:
    (daemon,) = running_daemons(place.runtime / "composectl")
    return [worker["pid"] for worker in daemon.status()["workers"]]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_ticket_of_one_worker_is_taken_by_each(
    place: Workspace, authority: TlsAuthority, version: ssl.TLSVersion
) -> None:
    proxy, context = started(place, authority), authority.client()
    context.maximum_version = version
    for replaced in (False, True):
        if replaced:
            first = pids_of(place)[0]
            os.kill(first, signal.SIGKILL)
            assert wait_until(lambda: {0, first}.isdisjoint(pids_of(place)))  # noqa: B023
        with connected(proxy.port, context) as tls:
            session = tls.session
        for _ in range(CONNECTIONS):
            with connected(proxy.port, context, session) as tls:
                assert tls.session_reused
    proxy.ends_by(signal.SIGINT)


@pytest.mark.slow
def test_a_renewed_certificate_reaches_each_worker_and_each_that_comes_later(
    place: Workspace, authority: TlsAuthority
) -> None:
    proxy = started(place, authority)
    (before,) = serials(proxy.port, authority)
    certificate, _ = authority.issue("shop", NAME)
    assert wait_until(lambda: before not in serials(proxy.port, authority))
    (renewed,) = serials(proxy.port, authority)
    certificate.write_text("nonsense")
    assert proxy.complaint_with("the certificate of before goes on being served")
    first = pids_of(place)[0]
    os.kill(first, signal.SIGKILL)
    assert wait_until(lambda: {0, first}.isdisjoint(pids_of(place)))
    assert serials(proxy.port, authority) == {renewed}
    proxy.ends_by(signal.SIGINT)


def test_a_rate_is_split(place: Workspace) -> None:
    proxy = place.proxy(place.backend(), words=(*TWO, "--rate-limit", "20/h"))
    assert place.comes_to("ready")
    answers = [ask(proxy.port, host=HOST).status for _ in range(80)]
    assert set(answers) == {200, 429}
    assert answers.count(200) == 20
    assert place.status()["totals"]["bad_requests"] == {"rate-limited": 60}
    proxy.ends_by(signal.SIGINT)
