"""`--tls acme` with Pebble as the authority: both challenges, bad nonces, failures, and what is served meanwhile."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.pebble import Pebble
from tests.support.proxy_process import ProxyProcess, Workspace
from tests.support.wait import wait_until

HOST = "127.0.0.1"
NAMES = ("shop.test", "www.shop.test")
WITHOUT = "has given no certificate yet: one of the local authority is served"


class Stage:
    """A proxy that gets its certificate from Pebble; `https` and `http` are its ports."""

    def __init__(self, place: Workspace, folder: Path, **environ: str) -> None:
        self.place = place
        self.http, self.https = place.port(), place.port()
        self.pebble = Pebble(folder, [place.port() for _ in range(4)], self.http, self.https, **environ)
        self.backend = place.backend()

    def proxy(self, *words: str, names: tuple[str, ...] = NAMES) -> ProxyProcess:
        domains = [word for name in names for word in ("--domain", name)]
        acme = ("--tls", "acme", "--acme-email", "me@shop.test", "--acme-server", self.pebble.directory)
        listen = ("--listen", f"{HOST}:{self.https}", "--backend", self.backend.address)
        return self.place.starts(*listen, *acme, *domains, *words)

    def issuer(self, name: str = NAMES[0]) -> str:
        """That of the certificate which is served."""
        found = dict(field for part in self.certificate(name)["issuer"] for field in part)
        return str(found.get("organizationName", found.get("commonName")))

    def is_trusted(self, name: str = NAMES[0]) -> bool:
        """Whether the certificate for this name is one of Pebble's."""
        try:
            self._connect(self.pebble.trust_root(), name)
        except ssl.SSLCertVerificationError:
            return False
        return True

    def serial(self) -> str:
        return str(self.certificate(NAMES[0])["serialNumber"])

    def certificate(self, name: str) -> dict[str, Any]:
        return self._connect(self.pebble.trust_root(), name)

    def notices(self) -> list[str]:
        return list(self.place.status()["notices"])

    # Private

    def _connect(self, context: ssl.SSLContext, name: str) -> dict[str, Any]:
        plain = socket.create_connection((HOST, self.https), timeout=20)
        with context.wrap_socket(plain, server_hostname=name) as tls:
            return tls.getpeercert() or {}


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder in which Pebble's own authority is, which `composectl` trusts."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", f"{tmp_path}/ca.pem")
    return tmp_path


@contextmanager
def opened(place: Workspace, folder: Path, **environ: str) -> Iterator[Stage]:
    stage = Stage(place, folder, **environ)
    try:
        yield stage
    finally:
        stage.pebble.close()


@pytest.mark.parametrize("challenge", ["http-01", "tls-alpn-01"])
def test_a_certificate_comes_by_itself(place: Workspace, trusting: Path, challenge: str) -> None:
    with opened(place, trusting) as stage:
        proxy = stage.proxy(*(("--redirect-http", f"{stage.http}") if challenge == "http-01" else ()))
        assert wait_until(lambda: stage.is_trusted(NAMES[0]))
        assert stage.is_trusted(NAMES[1])
        assert wait_until(lambda: stage.notices() == [])
        assert ("w/ HTTP" in (trusting / "pebble.log").read_text()) is (challenge == "http-01")
        proxy.ends_by(signal.SIGINT)
        folder = place.state / "composectl" / "certificates"
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
        assert list(folder.glob("challenge-*")) == []


def test_the_next_run_serves_the_same_certificate_and_asks_for_none(place: Workspace, trusting: Path) -> None:
    with opened(place, trusting) as stage:
        proxy = stage.proxy()
        assert wait_until(stage.is_trusted)
        serial = stage.serial()
        proxy.ends_by(signal.SIGINT)
        orders = (trusting / "pebble.log").read_text().count("Added order")
        again = stage.proxy()
        assert stage.serial() == serial
        assert stage.notices() == []
        assert (trusting / "pebble.log").read_text().count("Added order") == orders
        again.ends_by(signal.SIGINT)


def test_bad_nonces_are_taken_anew(place: Workspace, trusting: Path) -> None:
    with opened(place, trusting, PEBBLE_WFE_NONCEREJECT="60") as stage:
        proxy = stage.proxy()
        assert wait_until(stage.is_trusted)
        proxy.ends_by(signal.SIGINT)


def test_a_validation_that_fails_is_told_and_a_stand_in_is_served(place: Workspace, trusting: Path) -> None:
    with opened(place, trusting) as stage:
        stage.pebble.close()
        stage.http, stage.https = place.port(), place.port()  # of which the authority knows nothing
        stage.pebble = Pebble(trusting, [place.port() for _ in range(4)], place.port(), place.port())
        proxy = stage.proxy()
        told = proxy.complaint_with("gave no certificate for shop.test, www.shop.test: ")
        assert "Failed to connect to 127.0.0.1:" in told
        assert told.endswith("one of the local authority is served")
        assert not stage.is_trusted()
        proxy.ends_by(signal.SIGINT)


def test_an_authority_that_is_away_is_told(place: Workspace, trusting: Path) -> None:
    with opened(place, trusting) as stage:
        stage.pebble.stop()
        proxy = stage.proxy()
        assert proxy.complaint_with("it cannot be reached: one of the local authority is served")
        assert "proxy" in place.run("status")
        proxy.ends_by(signal.SIGINT)


def test_an_authority_that_answers_garbage_is_told(place: Workspace, trusting: Path) -> None:
    """Such as a web server, which is a backend of ours with a certificate."""
    with opened(place, trusting) as stage:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(trusting / "pebble.pem", trusting / "pebble.key")
        stage.pebble.directory = f"https://{place.backend(tls=context).address}/"
        proxy = stage.proxy()
        assert proxy.complaint_with("one of the local authority is served")
        assert proxy.complaint_with(f"{stage.pebble.directory} gave no certificate for ")
        proxy.ends_by(signal.SIGINT)


def test_after_a_kill_in_the_middle_the_next_run_gets_one(place: Workspace, trusting: Path) -> None:
    with opened(place, trusting) as stage:
        proxy = stage.proxy()
        log = trusting / "pebble.log"
        assert wait_until(lambda: "new-order" in log.read_text() or "Added order" in log.read_text())
        proxy.process.kill()
        proxy.process.wait()
        again = stage.proxy()
        assert wait_until(stage.is_trusted)
        again.ends_by(signal.SIGINT)


def test_a_folder_that_becomes_read_only_keeps_the_certificate_of_before(place: Workspace, trusting: Path) -> None:
    with opened(place, trusting) as stage:
        proxy = stage.proxy()
        assert wait_until(stage.is_trusted)
        serial = stage.serial()
        proxy.ends_by(signal.SIGINT)
        folder = place.state / "composectl" / "certificates"
        with read_only(folder):
            again = stage.proxy()
            assert stage.serial() == serial
            again.ends_by(signal.SIGINT)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """A mode alone does not keep root from writing."""
    if os.geteuid():
        folder.chmod(0o500)
        yield
        folder.chmod(0o700)
        return
    subprocess.run(["mount", "--bind", "-o", "ro", folder, folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)
