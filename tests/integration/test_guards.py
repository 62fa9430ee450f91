"""The guards that a command line sets are those that clients meet, and status tells what was refused."""

from __future__ import annotations

import signal
import time
from base64 import b64encode
from pathlib import Path

import bcrypt
import pytest

from tests.support.cli_error import cli_error_in
from tests.support.http_client import ask
from tests.support.proxy_process import Workspace
from tests.support.wait import wait_until

HOST = "127.0.0.1"


def test_a_client_that_is_not_allowed_is_refused(place: Workspace) -> None:
    proxy = place.proxy(place.backend(), words=("--allow-ip", "192.0.2.0/24"))
    assert place.comes_to("ready")
    assert ask(proxy.port, host=HOST).status == 403
    assert ask(proxy.port, host=HOST, X_Forwarded_For="192.0.2.7").status == 200
    assert place.status()["totals"]["bad_requests"] == {"ip-not-allowed": 1}
    assert "1 refused (1 ip-not-allowed)" in place.shows("status")
    proxy.ends_by(signal.SIGINT)


@pytest.mark.one_process
def test_a_client_that_asks_too_often_is_refused(place: Workspace) -> None:
    proxy = place.proxy(place.backend(), words=("--rate-limit", "2/h"))
    assert place.comes_to("ready")
    began = time.monotonic()
    answers = [ask(proxy.port, host=HOST) for _ in range(3)]
    most = time.monotonic() - began
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert 1800 - most <= int(answers[2].headers["Retry-After"]) <= 1800
    assert place.status()["totals"]["bad_requests"] == {"rate-limited": 1}
    proxy.ends_by(signal.SIGINT)


def test_tls_does_not_pass_by_a_guard_of_requests(place: Workspace) -> None:
    words = ("--listen", f"{HOST}:0", "--backend", f"{HOST}:9001", "--rate-limit", "2/s", "--protocol", "tcp")
    error = cli_error_in(place.composectl("proxy", *words))
    assert error.exit_code == 2
    assert "`--rate-limit` works on HTTP requests" in error.message


def users(place: Workspace) -> Path:
    path = place.folder / "users.htpasswd"
    path.write_bytes(b"ann:" + bcrypt.hashpw(b"hunter2", bcrypt.gensalt(4)) + b"\n")
    return path


def test_users_of_a_file_are_answered_alone_and_nothing_tells_their_passwords(place: Workspace) -> None:
    hashed = users(place).read_text().strip().partition(":")[2]
    words = ("--basic-auth", "users.htpasswd", "--access-log", "access.log", "--request-header", "X-Key=swordfish")
    proxy = place.proxy(place.backend(), words=words)
    assert place.comes_to("ready")
    right, wrong = (b64encode(f"ann:{password}".encode()).decode() for password in ("hunter2", "hunter3"))
    assert ask(proxy.port, host=HOST).status == 401
    assert ask(proxy.port, host=HOST, Authorization=f"Basic {wrong}").status == 401
    assert ask(proxy.port, host=HOST, Authorization=f"Basic {right}").status == 200
    told = place.shows("status", "--json") + place.shows("status")
    assert place.status()["totals"]["bad_requests"] == {"unauthorized": 2}
    users(place).write_text("eve\n")
    assert wait_until(lambda: any("password file" in notice for notice in place.status()["notices"]))
    told += str(proxy.ends_by(signal.SIGINT)) + (place.folder / "access.log").read_text()
    assert "unauthorized" in told
    assert not [secret for secret in ("hunter2", "hunter3", "swordfish", right, wrong, hashed) if secret in told]


def test_a_password_file_that_others_can_change_is_refused(place: Workspace) -> None:
    users(place).chmod(0o666)
    words = ("--listen", f"{HOST}:0", "--backend", f"{HOST}:9001", "--basic-auth", "users.htpasswd")
    error = cli_error_in(place.composectl("proxy", *words))
    assert error.exit_code == 2
    assert error.message.endswith("/users.htpasswd can be changed by others (mode 0666)")
    assert error.hint.startswith("`chmod go-w ")
    assert place.leftovers() == []


def test_headers_are_set_and_removed(place: Workspace) -> None:
    words = ("--response-header", "Server=", "--response-header", "X-Frame-Options=DENY")
    proxy = place.proxy(place.backend(), words=words)
    assert place.comes_to("ready")
    answer = ask(proxy.port, host=HOST)
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert "Server" not in answer.headers
    proxy.ends_by(signal.SIGINT)


@pytest.mark.parametrize(
    "words",
    [("--rate-limit", "fast"), ("--allow-ip", "10.0.0.1/8"), ("--deny-ip", "x"), ("--max-in-flight-per-client", "0")],
)
def test_a_bad_value_is_refused_before_anything_is_done(place: Workspace, words: tuple[str, str]) -> None:
    error = cli_error_in(place.composectl("proxy", "--listen", f"{HOST}:0", "--backend", f"{HOST}:9001", *words))
    assert error.exit_code == 2
    assert error.message.startswith(f"invalid value `{words[1]}` for `{words[0]}`: expected ")
    assert error.hint
    assert place.leftovers() == []
