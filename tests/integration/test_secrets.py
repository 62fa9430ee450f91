"""Nothing that composectl shows, logs or tells other processes holds a key, a password or its hash."""

from __future__ import annotations

import signal
import subprocess
from base64 import b64encode
from pathlib import Path

import bcrypt
import pytest

from composectl.control.client import running_daemons
from tests.support.http_client import ask
from tests.support.proxy_process import Workspace
from tests.support.tls_peers import TlsAuthority
from tests.support.wait import wait_until

HOST = "127.0.0.1"
NAME = "shop.test"
RIGHT, WRONG = "hunter2-of-ann", "hunter3-of-ann"


def basic(password: str) -> str:
    return b64encode(f"ann:{password}".encode()).decode()


def curl(port: int, ca: Path, password: str) -> str:
    """The answer with its head."""
    command = ["curl", "--silent", "--include", "--cacert", f"{ca}", "--resolve", f"{NAME}:{port}:{HOST}"]
    command += ["--user", f"ann:{password}", f"https://{NAME}:{port}/"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def processes(place: Workspace) -> list[Path]:
    """The daemon, the process that starts workers, and these."""
    (daemon,) = running_daemons(place.runtime / "composectl")
    found = [Path(f"/proc/{daemon.info.pid}")]
    for process in found:
        children = (process / "task" / process.name / "children").read_text().split()
        found += [Path(f"/proc/{child}") for child in children]
    return found


@pytest.mark.parametrize("workers", [1, 2])
def test_secrets_are_nowhere(place: Workspace, tmp_path: Path, workers: int) -> None:
    authority = TlsAuthority(tmp_path)
    certificate, key = authority.issue("shop", NAME)
    users = place.folder / "users"
    users.write_bytes(b"ann:" + bcrypt.hashpw(RIGHT.encode(), bcrypt.gensalt(4)) + b"\n")
    hashed = users.read_text().strip().partition(":")[2]
    key_lines = [line for line in key.read_text().splitlines() if not line.startswith("-----")]
    secrets = [RIGHT, WRONG, basic(RIGHT), basic(WRONG), hashed, *key_lines]

    metrics, dashboard = place.port(), place.port()
    words = ("--workers", f"{workers}", "--tls-cert", f"{certificate}", "--tls-key", f"{key}", "--basic-auth", "users")
    admin = ("--metrics", f"{HOST}:{metrics}", "--dashboard", f"{HOST}:{dashboard}")
    log = ("--access-log", "log", "--access-log-format", "json", "--access-log-header", "user-agent")
    proxy = place.proxy(place.backend(), words=(*words, *admin, *log))
    assert place.comes_to("ready")
    assert curl(proxy.port, authority.ca, RIGHT).startswith("HTTP/2 200")
    assert curl(proxy.port, authority.ca, WRONG).startswith("HTTP/2 401")

    told = [place.shows("status"), place.shows("status", "--json")]
    told += [ask(metrics, "/metrics", host=HOST).text, ask(dashboard, "/", host=HOST).text]
    every = processes(place)
    assert len(every) == (1 if workers == 1 else workers + 2)
    told += [(process / file).read_text("latin-1") for process in every for file in ("cmdline", "environ")]
    users.write_text(f"ann:{hashed} {RIGHT}\n")  # faults, whose lines must not be quoted
    key.write_bytes(key.read_bytes().replace(b"-----BEGIN", b"BEGIN"))
    assert wait_until(lambda: len(place.status()["notices"]) >= 2)
    told += [place.shows("status", "--json")]
    told += [file.read_text("latin-1") for file in place.runtime.rglob("*") if file.is_file()]
    told += [str(proxy.ends_by(signal.SIGINT)), (place.folder / "log").read_text()]
    refused = place.composectl("proxy", "--listen", f"{HOST}:0", "--backend", f"{HOST}:9001", *words)
    assert refused.returncode == 2
    told += [refused.stdout, refused.stderr]
    assert [secret for secret in secrets if any(secret in text for text in told)] == []
    assert any("unauthorized" in text for text in told)
