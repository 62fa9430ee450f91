"""`--tls acme` with Pebble as the authority: both challenges, bad nonces, failures, and what is served meanwhile."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest

from composectl.certificates import acme_client
from composectl.certificates.acme_challenge import Challenges
from composectl.certificates.acme_request import AcmeRequest
from composectl.certificates.files import replace_file
from composectl.errors import ComposectlError
from tests.support.acme_between import AcmeBetween
from tests.support.paths import ROOT
from tests.support.pebble import Pebble
from tests.support.proxy_process import ProxyProcess, Workspace
from tests.support.tls_peers import TlsAuthority
from tests.support.wait import wait_until

HOST = "127.0.0.1"
NAMES = ("shop.test", "www.shop.test")
GOES_ON = ": the certificate of before goes on being served"


class Stage:
    """A proxy that gets its certificate from Pebble; `https` and `http` are its ports."""

    def __init__(self, place: Workspace, folder: Path, **environ: str) -> None:
        self.place = place
        self.http, self.https = place.port(), place.port()
        ports = [place.port() for _ in range(4)]
        self.pebble = Pebble(folder, ports, self.http, self.https, **environ)
        self.backend = place.backend()

    def proxy(self, *words: str, names: tuple[str, ...] = NAMES, rights: tuple[str, ...] = ()) -> ProxyProcess:
        domains = [word for name in names for word in ("--domain", name)]
        acme = ("--tls", "acme", "--acme-email", "me@shop.test", "--acme-server", self.pebble.directory)
        listen = ("--listen", f"{HOST}:{self.https}", "--backend", self.backend.address)
        return self.place.starts(*listen, *acme, *domains, *words, rights=rights)

    def has_before(self, folder: Path) -> str:
        """Put a certificate there whose time to be renewed has come; it is returned as a client sees it."""
        folder.mkdir()
        certificate, key = TlsAuthority(folder).issue("before", *NAMES, days=3, since=80)
        request = AcmeRequest(self.pebble.directory, "me@shop.test", NAMES, prefers_http=False)
        self.folder.mkdir(parents=True, mode=0o700)
        replace_file(self.folder / request.certificate_name, key.read_bytes() + certificate.read_bytes())
        return certificate.read_text()

    @property
    def folder(self) -> Path:
        return self.place.state / "composectl" / "certificates"

    def served(self) -> str:
        """The certificate, in PEM."""
        return ssl.get_server_certificate((HOST, self.https))

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


GARBAGE = [
    ("/dir", b"<html>"),
    ("/dir", b"[]"),
    ("/dir", b'{"newNonce": 1}'),
    ("/sign-me-up", b"\xff"),
    ("/order-plz", b'{"status": "pending", "authorizations": 7}'),
    ("/authZ", b"{}"),
    ("/certZ", b"-----BEGIN CERTIFICATE-----"),
    ("/certZ", b""),
]


@pytest.mark.parametrize(("path", "body"), GARBAGE)
def test_garbage_does_not_replace_the_certificate_of_before(
    place: Workspace, trusting: Path, path: str, body: bytes
) -> None:
    with opened(place, trusting) as stage:
        server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        server.load_cert_chain(trusting / "pebble.pem", trusting / "pebble.key")
        authority, port = stage.pebble.directory.removesuffix("/dir"), place.port()
        client = ssl.create_default_context(cafile=trusting / "ca.pem")
        with closing(AcmeBetween(authority, port, server, client)) as between:
            between.path, between.body = path, body
            stage.pebble.directory = f"https://{HOST}:{port}/dir"
            before = stage.has_before(trusting / "before")
            proxy = stage.proxy()
            told = proxy.complaint_with(f"{stage.pebble.directory} gave no certificate for shop.test, www.shop.test: ")
            assert told.endswith(GOES_ON)
            assert len(told) < 500
            assert stage.served() == before
            proxy.ends_by(signal.SIGINT)
            again = stage.proxy()
            assert stage.served() == before
            again.ends_by(signal.SIGINT)


FULL = "mount -t tmpfs -o size=64k,mode=700 none {folder}; cp -p {copy}/* {folder}; cat /dev/zero > {folder}/x || true"
READ_ONLY = "mount --bind {folder} {folder}; mount -o remount,ro,bind {folder}"


@pytest.mark.parametrize(
    ("script", "fault"), [(FULL, "No space left on device"), (READ_ONLY, "Read-only file system")], ids=["full", "ro"]
)
def test_a_folder_that_cannot_be_written_to_keeps_the_certificate_of_before(
    place: Workspace, trusting: Path, script: str, fault: str
) -> None:
    with opened(place, trusting) as stage:
        before = stage.has_before(trusting / "before")
        shutil.copytree(stage.folder, trusting / "copy")
        mounted = script.format(folder=stage.folder, copy=trusting / "copy")
        own_mounts = ("/usr/bin/unshare", "--map-root-user", "--mount", "/bin/bash", "-ec")
        rights = (*own_mounts, f'PATH={os.defpath}:/usr/sbin; {{ {mounted}; }} 2> /dev/null; exec "$@"', "--")
        proxy = stage.proxy(rights=rights)
        told = proxy.complaint_with(f"gave no certificate for shop.test, www.shop.test: {fault}")
        assert told.endswith(GOES_ON)
        assert stage.served() == before
        proxy.ends_by(signal.SIGINT)


def test_a_clock_a_year_ahead_is_told_and_the_certificate_of_before_served(place: Workspace, trusting: Path) -> None:
    with opened(place, trusting) as stage:
        before = stage.has_before(trusting / "before")
        ahead = ("LD_PRELOAD=" + str(ROOT / ".tools" / "libfaketime.so.1"), "FAKETIME=+366d", "DONT_FAKE_MONOTONIC=1")
        proxy = stage.proxy(rights=("/usr/bin/env", *ahead))
        assert proxy.complaint_with("the certificate for shop.test and 1 other name expired on ").endswith("refuse it")
        told = proxy.complaint_with("gave no certificate for shop.test, www.shop.test: ")
        assert told.endswith(f"TLS with it fails: certificate has expired{GOES_ON}")
        assert stage.served() == before
        proxy.ends_by(signal.SIGINT)


class LongAfter(datetime):
    """Pebble's certificates live for five years."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + timedelta(days=9 * 365)


def test_a_certificate_out_of_its_time_does_not_replace_the_one_of_before(
    place: Workspace, trusting: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(place, trusting, PEBBLE_VA_ALWAYS_VALID="1") as stage:
        stage.has_before(trusting / "before")
        request = AcmeRequest(stage.pebble.directory, "me@shop.test", NAMES, prefers_http=False)
        path = stage.folder / request.certificate_name
        before = path.read_bytes()
        with monkeypatch.context() as patched:
            patched.setattr(acme_client, "datetime", LongAfter)
            with pytest.raises(ComposectlError, match=r"that it sent is valid from .*; check the clock$"):
                acme_client.obtain(request, stage.folder, Challenges(stage.folder))
        assert path.read_bytes() == before
        acme_client.obtain(request, stage.folder, Challenges(stage.folder))
        assert path.read_bytes() != before


def test_after_a_kill_in_the_middle_the_next_run_gets_one(place: Workspace, trusting: Path) -> None:
    with opened(place, trusting) as stage:
        before = stage.has_before(trusting / "before")
        proxy = stage.proxy()
        log = trusting / "pebble.log"
        assert wait_until(lambda: "new-order" in log.read_text() or "Added order" in log.read_text())
        proxy.process.kill()
        proxy.process.wait()
        again = stage.proxy()
        assert stage.served() == before or stage.is_trusted()
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
