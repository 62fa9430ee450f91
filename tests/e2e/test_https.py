"""HTTPS in front of an unchanged compose file."""

from __future__ import annotations

import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.compose_project import ComposeProject
from tests.support.https_load import HttpsLoad
from tests.support.kept_port import keep_port
from tests.support.tls_peers import TlsAuthority
from tests.support.wait import wait_until

NAME = "shop.test"
SECONDS = 60

pytestmark = pytest.mark.parametrize("compose", ["v2"], indirect=True)


def curl(url: str, *options: str) -> str:
    command = ["curl", "--silent", "--show-error", "--max-time", "30", "--write-out", " %{http_version} %{http_code}"]
    done = subprocess.run([*command, *options, url], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    return done.stdout


def test_an_unchanged_file_is_served_over_https_and_plain_http_is_sent_on(project: ComposeProject) -> None:
    with closing(keep_port("0.0.0.0")) as kept:
        plain = kept.getsockname()[1]
        before = project.file.read_bytes()
        started = project.run("up", "--balance", "echo=3", "--tls", "internal", "--redirect-http", f"{plain}", "-d")
        assert f"; port {plain} redirects to https\n" in started
        root = project.state / "composectl" / "certificates" / "authority.crt"
        page = curl(f"http://localhost:{plain}/", "--location", "--cacert", f"{root}")
        assert page.startswith("I am ")
        assert page.endswith(" 2 200")
        assert "\nX_FORWARDED_PROTO=https\n" in page
        status = project.status()
        assert [port["protocol"] for port in status["ports"]] == ["https"]
        assert f"0.0.0.0:{plain}" in status["redirect_http"]
        assert f"port {plain} redirects to https" in project.run("status")
        assert project.file.read_bytes() == before
        project.run("down")


@pytest.mark.slow
def test_a_rollout_and_a_renewal_fail_no_request_of_http_2(project: ComposeProject, tmp_path: Path) -> None:
    authority = TlsAuthority(tmp_path)
    certificate, key = authority.issue("shop", NAME)
    words = ("--tls-cert", f"{certificate}", "--tls-key", f"{key}")
    project.run("up", "--balance", "echo=5", *words, "-d")
    assert project.has_ready(5)
    with HttpsLoad(project.port, authority.client("h2"), NAME, per_second=200) as load:
        assert wait_until(lambda: load.answered > 200, within=SECONDS)
        authority.issue("shop", NAME)
        project.run("rollout", "echo", "--monitor", "1s")
        authority.issue("shop", NAME)
        seen = load.answered
        assert wait_until(lambda: load.answered > seen + 400 and len(load.serials) == 3, within=SECONDS)
    assert load.failed == {}
    assert project.status()["totals"]["failed"] == 0
    project.run("down")
