"""What two files of a certificate and a key must hold."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from composectl.certificates.certified_key import CertifiedKey, read_certified_key
from composectl.errors import USAGE, UsageError
from tests.support.tls_peers import TlsAuthority


@pytest.fixture
def authority(tmp_path: Path) -> TlsAuthority:
    return TlsAuthority(tmp_path)


def refusal(certificate: Path, key: Path) -> str:
    """The message; there are a hint and the exit code of a wrong command line."""
    with pytest.raises(UsageError) as raised:
        read_certified_key(certificate, key)
    assert raised.value.exit_code == USAGE
    assert raised.value.hint
    return raised.value.message


def test_what_a_certificate_is_for(authority: TlsAuthority) -> None:
    read = read_certified_key(*authority.issue("shop", "shop.test", "*.Shop.test", "192.0.2.1", "::1", days=9))
    assert read.names == ("shop.test", "*.shop.test", "192.0.2.1", "::1")
    assert read.title == "shop.test and 3 other names"
    assert (read.expires - datetime.now(UTC)).days in (8, 9)


@pytest.mark.parametrize(("kind", "name"), [(trustme.KeyType.ECDSA, "EC"), (trustme.KeyType.RSA, "RSA")])
def test_the_kind_of_key(authority: TlsAuthority, kind: trustme.KeyType, name: str) -> None:
    read = read_certified_key(*authority.issue("shop", "shop.test", kind=kind))
    assert name in read.kind.upper()


def test_a_key_is_not_shown(authority: TlsAuthority) -> None:
    read = read_certified_key(*authority.issue("shop", "shop.test"))
    assert "PRIVATE" not in repr(read)
    assert b"PRIVATE" in read.pem


def test_one_file_may_hold_both(authority: TlsAuthority, tmp_path: Path) -> None:
    certificate, key = authority.issue("shop", "shop.test")
    both = tmp_path / "both.pem"
    both.touch(mode=0o600)
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    assert read_certified_key(both, both).names == ("shop.test",)


def test_a_certificate_without_other_names_is_for_its_common_name(tmp_path: Path) -> None:
    certificate, key = tmp_path / "a.pem", tmp_path / "a.key"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Old.test", "-days", "2"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    assert read_certified_key(certificate, key).names == ("old.test",)


def test_files_that_are_missing_or_none(authority: TlsAuthority, tmp_path: Path) -> None:
    certificate, key = authority.issue("shop", "shop.test")
    none = tmp_path / "none"
    assert refusal(none, key) == f"cannot read the certificate {none}: No such file or directory"
    assert refusal(certificate, tmp_path) == f"cannot read the key {tmp_path}: Is a directory"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o660, 0o666, 0o610])
def test_a_key_that_is_not_its_owners_alone(authority: TlsAuthority, mode: int) -> None:
    certificate, key = authority.issue("shop", "shop.test")
    key.chmod(mode)
    assert refusal(certificate, key) == f"the key {key} can be read or changed by others (mode {mode:04o})"


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o700])
def test_a_key_of_its_owner_alone_is_used(authority: TlsAuthority, mode: int) -> None:
    certificate, key = authority.issue("shop", "shop.test")
    key.chmod(mode)
    certificate.chmod(0o644)
    assert read_certified_key(certificate, key).names == ("shop.test",)


def test_a_key_of_another_user_is_theirs_to_protect(authority: TlsAuthority, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = authority.issue("shop", "shop.test")
    key.chmod(0o640)
    owner = key.stat().st_uid
    monkeypatch.setattr("os.geteuid", lambda: owner + 1)
    assert read_certified_key(certificate, key).names == ("shop.test",)


def test_files_that_hold_something_else(authority: TlsAuthority, tmp_path: Path) -> None:
    certificate, key = authority.issue("shop", "shop.test")
    assert refusal(key, key) == f"{key} holds no certificate in PEM"
    certificate.chmod(0o600)
    assert refusal(certificate, certificate) == f"{certificate} holds no private key in PEM"
    odd = tmp_path / "odd"
    odd.touch(mode=0o600)
    for data in (b"", b"\0" * 100, certificate.read_bytes()[:-60], key.read_bytes()[:-60]):
        odd.write_bytes(data)
        assert refusal(odd, key) == f"{odd} holds no certificate in PEM"
        assert refusal(certificate, odd) == f"{odd} holds no private key in PEM"


def test_an_encrypted_key(authority: TlsAuthority, tmp_path: Path) -> None:
    certificate, key = authority.issue("shop", "shop.test")
    secret = tmp_path / "secret.key"
    encrypt = ["openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:secret", "-out", secret]
    subprocess.run(encrypt, check=True)
    assert refusal(certificate, secret) == f"the key {secret} is encrypted"


def test_a_key_of_another_certificate(authority: TlsAuthority) -> None:
    (certificate, _), (_, key) = authority.issue("shop", "shop.test"), authority.issue("other", "shop.test")
    assert refusal(certificate, key) == f"the key {key} does not match the certificate {certificate}"


def test_a_certificate_out_of_its_time(authority: TlsAuthority) -> None:
    old = authority.issue("old", "shop.test", days=-1, since=9)
    early = authority.issue("early", "shop.test", days=9, since=-5)
    ended, begins = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=5)
    assert refusal(*old) == f"the certificate {old[0]} expired on {ended:%Y-%m-%d}"
    assert refusal(*early) == f"the certificate {early[0]} is valid from {begins:%Y-%m-%d} on"


def test_the_time_may_be_another(authority: TlsAuthority) -> None:
    old = authority.issue("old", "shop.test", days=-1, since=9)
    read = read_certified_key(*old, now=datetime.now(UTC) - timedelta(days=3))
    assert isinstance(read, CertifiedKey)
