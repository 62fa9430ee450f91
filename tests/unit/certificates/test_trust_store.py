"""The stores of a machine, and the commands that change them."""

from __future__ import annotations

from pathlib import Path

import pytest

from composectl.certificates.trust_store import TrustStore, as_root, browser_stores, run, system_store
from composectl.errors import ComposectlError


def test_a_command_that_is_missing_or_fails_is_told_of() -> None:
    with pytest.raises(ComposectlError, match="cannot run `no-such-command a`: "):
        run(("no-such-command", "a"))
    with pytest.raises(ComposectlError, match="`sh -c echo first; echo last >&2; exit 3` failed: last"):
        run(("sh", "-c", "echo first; echo last >&2; exit 3"))
    with pytest.raises(ComposectlError, match="`false` failed: it says nothing"):
        run(("false",))


def test_each_command_of_a_store_is_run_in_its_order(tmp_path: Path) -> None:
    file = tmp_path / "file"
    adding = (("cp", "/dev/null", str(file)), ("chmod", "600", str(file)))
    store = TrustStore("here", False, adding, (("rm", str(file)),), needs_root=False)
    store.add()
    assert file.stat().st_mode & 0o777 == 0o600
    store.remove()
    assert not file.exists()


def test_root_needs_no_sudo() -> None:
    assert as_root(("rm", "a"), is_root=True) == ("rm", "a")


def test_others_need_sudo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ComposectlError, match="only root may run `rm a`"):
        as_root(("rm", "a"), is_root=False)
    (tmp_path / "sudo").touch(mode=0o755)
    assert as_root(("rm", "a"), is_root=False) == ("sudo", "rm", "a")


@pytest.mark.parametrize("is_trusted", [True, False])
def test_macos_has_a_keychain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_trusted: bool) -> None:
    """`security` is a fake here, which notes its words."""
    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    certificate, log, security = tmp_path / "a.crt", tmp_path / "log", tmp_path / "security"
    assert system_store(certificate) is None
    security.write_text(f'#!/bin/sh\necho "$@" >> {log}\n[ "$1" != verify-cert ] || exit {1 - is_trusted}\n')
    security.chmod(0o755)
    store = system_store(certificate)
    assert store is not None
    assert (store.title, store.has_it) == ("/Library/Keychains/System.keychain", is_trusted)
    store.add()
    store.remove()
    assert log.read_text().splitlines() == [
        f"verify-cert -L -l -c {certificate}",
        f"add-trusted-cert -d -r trustRoot -k {store.title} {certificate}",
        f"remove-trusted-cert -d {certificate}",
    ]


def test_a_browser_without_a_database_has_no_store(tmp_path: Path) -> None:
    assert list(browser_stores(tmp_path / "a.crt", tmp_path)) == []
