"""The authority of this user: what it makes, keeps and renews."""

from __future__ import annotations

import stat
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from composectl.certificates.authority import Authority, own_names
from composectl.certificates.certified_key import read_certified_key
from composectl.errors import ComposectlError

NAMES = ["localhost", "127.0.0.1", "shop.test", "*.shop.test"]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def serial(path: Path) -> str:
    return subprocess.run(["openssl", "x509", "-noout", "-serial", "-in", path], check=True, capture_output=True).stdout


def verified(authority: Authority, leaf: Path, *options: str) -> bool:
    """Whether OpenSSL takes it for the certificate of a server."""
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", str(authority.export())]
    return not subprocess.run([*command, *options, str(leaf)], capture_output=True, check=False).returncode


def test_what_it_issues_is_good_for_each_name(authority: Authority) -> None:
    leaf = authority.issue(NAMES)
    assert read_certified_key(leaf, leaf).names == ("localhost", "shop.test", "*.shop.test", "127.0.0.1")
    for option, name in (("-verify_hostname", "a.shop.test"), ("-verify_ip", "127.0.0.1")):
        assert verified(authority, leaf, option, name)
    assert not verified(authority, leaf, "-verify_hostname", "other.test")


def test_strict_verifiers_take_it(authority: Authority) -> None:
    """RFC 5280, section 4.2.1.6: the names are critical only where there is no subject."""
    leaf, root = (
        x509.load_pem_x509_certificates(path.read_bytes())[0] for path in (authority.issue(NAMES), authority.export())
    )
    verifier = PolicyBuilder().store(Store([root])).build_server_verifier(x509.DNSName("shop.test"))
    assert verifier.verify(leaf, []) == [leaf, root]


def test_all_is_of_this_user_alone_and_the_key_is_not_exported(authority: Authority, tmp_path: Path) -> None:
    authority.issue(NAMES)
    assert b"PRIVATE" not in authority.export().read_bytes()
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_the_same_names_have_the_same_certificate_for_two_thirds_of_its_life(authority: Authority) -> None:
    now = datetime.now(UTC)
    first = serial(authority.issue(NAMES))
    assert serial(authority.issue(NAMES[::-1], now + timedelta(days=59))) == first
    later = now + timedelta(days=61)
    renewed = authority.issue(NAMES, later)
    assert serial(renewed) != first
    assert (read_certified_key(renewed, renewed, later).expires - now).days >= 150


@pytest.mark.parametrize("days", [365, -30])
def test_a_clock_that_jumps_brings_a_new_one(authority: Authority, days: int) -> None:
    first = serial(authority.issue(NAMES))
    assert serial(authority.issue(NAMES, datetime.now(UTC) + timedelta(days=days))) != first


@pytest.mark.parametrize("garbage", [b"", b"nonsense", b"\0" * 10_000])
def test_a_file_that_is_damaged_is_made_anew(authority: Authority, garbage: bytes) -> None:
    leaf = authority.issue(NAMES)
    leaf.write_bytes(garbage)
    assert authority.issue(NAMES) == leaf
    assert verified(authority, leaf)


def test_a_new_authority_makes_new_certificates(authority: Authority, tmp_path: Path) -> None:
    authority.issue(NAMES)
    (tmp_path / "authority.pem").unlink()
    leaf = authority.issue(NAMES)
    assert verified(authority, leaf)


def test_a_damaged_authority_is_told_of(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "authority.pem").write_text("nonsense")
    with pytest.raises(ComposectlError, match="holds no certificate in PEM"):
        authority.issue(NAMES)


def test_of_several_that_begin_at_once_one_authority_stays(tmp_path: Path) -> None:
    begin, leaves = threading.Barrier(8), list[Path]()

    def work(number: int) -> None:
        begin.wait()
        leaves.append(Authority(tmp_path).issue([f"{number}.test"]))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(leaves) == 8
    assert all(verified(Authority(tmp_path), leaf) for leaf in leaves)
    assert len(list(tmp_path.iterdir())) == 10  # nothing is left of what came second


@pytest.fixture
def unwritable(tmp_path: Path) -> Path:
    """A folder that is a file: not even root can write into it."""
    path = tmp_path / "file"
    path.touch()
    return path


def test_a_folder_that_cannot_be_written_to(unwritable: Path) -> None:
    with pytest.raises(ComposectlError, match=f"cannot use {unwritable}/authority.pem: Not a directory") as raised:
        Authority(unwritable).issue(NAMES)
    assert raised.value.hint


def test_the_names_of_this_machine_begin_with_localhost() -> None:
    names = own_names()
    assert names[0] == "localhost"
    assert {"127.0.0.1", "::1"} <= set(names)
    assert len(names) == len(set(names))
