"""What is wrong with an option of a public port is told in one line with a hint, and nothing is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from composectl.config.options import OPTIONS
from composectl.config.service import RoutingConfig
from composectl.config.tls import TlsConfig
from composectl.proxy.field_edits import HeaderConfig
from composectl.proxy.limits import GuardConfig
from tests.support.cli_error import cli_error_in
from tests.support.proxy_process import Workspace
from tests.support.tls_peers import TlsAuthority

ON = ("--tls", "internal")
ACME = ("--tls", "acme", "--domain", "a.test", "--acme-email", "a@a.test")
PAIR = ("--tls-cert", "good.pem", "--tls-key", "good.key")
REFUSED: dict[str, list[tuple[str, ...]]] = {
    "tls-cert": [
        ("--tls-cert", "good.pem"),
        ("--tls-cert", "", "--tls-key", "good.key"),
        ("--tls-cert", "none.pem", "--tls-key", "good.key"),
        ("--tls-cert", ".", "--tls-key", "good.key"),
        ("--tls-cert", "garbage", "--tls-key", "good.key"),
        ("--tls-cert", "good.key", "--tls-key", "good.key"),
        ("--tls-cert", "old.pem", "--tls-key", "old.key"),
        ("--tls-cert", "early.pem", "--tls-key", "early.key"),
        (*PAIR, *ON),
        (*PAIR, "--protocol", "tcp"),
    ],
    "tls-key": [
        ("--tls-key", "good.key"),
        ("--tls-cert", "good.pem", "--tls-key", "none.key"),
        ("--tls-cert", "good.pem", "--tls-key", "garbage"),
        ("--tls-cert", "good.pem", "--tls-key", "old.key"),
        ("--tls-cert", "good.pem", "--tls-key", "open.key"),
        (*PAIR, "--tls-key", "good.key"),
    ],
    "tls": [("--tls", "on"), ("--tls", "")],
    "domain": [
        (*ON, "--domain", "a b"),
        (*ON, "--domain", "*"),
        (*ON, "--domain", ""),
        (*ACME, "--domain", "*.a.test"),
    ],
    "acme-email": [(*ACME[:4],), (*ACME[:4], "--acme-email", "me"), (*ON, "--acme-email", "a@a.test")],
    "acme-server": [(*ACME, "--acme-server", "http://ca.test/dir"), (*ACME, "--acme-server", "ca.test")],
    "tls-port": [
        ("--tls-port", "443"),
        (*ON, "--tls-port", "0"),
        (*ON, "--tls-port", "65536"),
        (*ON, "--tls-port", "1"),
    ],
    "redirect-http": [("--redirect-http", "80"), (*ON, "--redirect-http", "http"), (*ON, "--redirect-http", "PORT")],
    "strict-sni": [("--strict-sni",)],
    "hsts": [("--hsts",), (*ON, "--hsts", "a year"), (*ON, "--hsts", "-1")],
    "allow-ip": [("--allow-ip", "10.0.0.1/8"), ("--allow-ip", "here"), ("--allow-ip", "")],
    "deny-ip": [("--deny-ip", "10.0.0.0/33"), ("--deny-ip", "::1/64")],
    "rate-limit": [("--rate-limit", word) for word in ("0/s", "10", "10/d", "10/s:0", "-1/s", "1.5/s")],
    "max-in-flight-per-client": [("--max-in-flight-per-client", "0"), ("--max-in-flight-per-client", "many")],
    "basic-auth": [("--basic-auth", word) for word in ("none", ".", "garbage", "writable", "")],
    "request-header": [("--request-header", word) for word in ("X", "=x", "Host=a", "X=a\nY: b", "X-Forwarded-For=a")],
    "response-header": [("--response-header", word) for word in ("X", "Date=now", "Content-Length=1", "A b=c")],
    "backend-tls": [("--backend-tls", "none.pem"), ("--backend-tls", "garbage"), ("--backend-tls", "good.key")],
    "route": [("--route", word) for word in ("web", "web=", "=a.test", "web=a b", "web=a.test/%41", "web=a/../b")],
}
OF_FILES_ALONE = {"path", "strip-path"}  # keys, and not flags


@pytest.fixture
def place_with_files(place: Workspace) -> Workspace:
    authority = TlsAuthority(place.folder)
    for stem, days, since in (("good", 9, 1), ("old", -1, 9), ("early", 9, -5), ("open", 9, 1)):
        authority.issue(stem, "a.test", days=days, since=since)
    write(place.folder / "garbage", 0o600)
    write(place.folder / "writable", 0o666)
    (place.folder / "open.key").chmod(0o644)
    return place


def write(path: Path, mode: int) -> None:
    path.write_bytes(b"\0garbage\n")
    path.chmod(mode)


def test_each_option_is_here() -> None:
    owners = (TlsConfig, GuardConfig, HeaderConfig, RoutingConfig)
    names = {row.name for row in OPTIONS if row.target and row.target[0] in owners}
    assert names | {"backend-tls"} == REFUSED.keys() | OF_FILES_ALONE


@pytest.mark.slow
@pytest.mark.parametrize("words", [words for each in REFUSED.values() for words in each], ids=" ".join)
def test_one_line_with_a_hint_and_nothing_is_touched(place_with_files: Workspace, words: tuple[str, ...]) -> None:
    place = place_with_files
    free = str(place.port())
    words = tuple(word.replace("PORT", free) for word in words)
    before = {path: path.stat().st_mtime_ns for path in place.folder.iterdir()}
    command = ("up", "--balance", "web=2") if words[0] == "--route" else ("proxy", "--listen", f"127.0.0.1:{free}")
    backend = () if command[0] == "up" else ("--backend", "127.0.0.1:9001")
    error = cli_error_in(place.composectl(*command, *backend, *words))
    assert error.exit_code == 2
    assert error.message.isprintable()
    assert error.hint
    assert place.leftovers() == []
    assert {path: path.stat().st_mtime_ns for path in place.folder.iterdir()} == before
    assert not any(place.state.rglob("*.pem"))
