"""HTTPS in front of an unchanged compose file."""

from __future__ import annotations

import shutil
import signal
import ssl
import subprocess
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from composectl.certificates.authority import Authority, own_names
from tests.support.compose_project import ComposeProject
from tests.support.https_load import HttpsLoad
from tests.support.kept_port import keep_port
from tests.support.wait import wait_until

SECONDS = 60
WEB = """\
services:
  web:
    image: {image}
    ports: ["{port}:9090"]
"""

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
    project.write(WEB)
    before = project.file.read_bytes()
    with closing(keep_port("0.0.0.0")) as kept:
        plain = kept.getsockname()[1]
        project.run("up", "--balance", "web=5", "--tls", "internal", "--redirect-http", f"{plain}", "-d")
        assert wait_until(lambda: ready(project) == 5)
        with HttpsLoad(project.port, trusting(project), "localhost", per_second=200) as load:
            assert wait_until(lambda: load.answered > 200, within=SECONDS)
            project.run("rollout", "web", "--canary", "20%", "--monitor", "1s")
            let_it_be_due(project, tmp_path)
            assert wait_until(lambda: len(load.serials) == 2, within=SECONDS)
            renewing = project.starts(
                "proxy", "--listen", "127.0.0.1:0", "--backend", "127.0.0.1:9", "--tls", "internal"
            )
            assert wait_until(lambda: len(load.serials) == 3, within=SECONDS)
            renewing.send_signal(signal.SIGINT)
            assert renewing.wait(SECONDS) == 130, renewing.communicate()
            project.run("rollout", "web", "--promote")
            seen = load.answered
            assert wait_until(lambda: load.answered > seen + 400, within=SECONDS)
        assert load.failed == {}
        status = project.status("web")
        assert (status["totals"]["failed"], status["totals"]["rollouts"]["done"], status["notices"]) == (0, 1, [])
        assert project.file.read_bytes() == before
        project.run("down")


def let_it_be_due(project: ComposeProject, folder: Path) -> None:
    """Have the authority's certificate of 61 days ago, which the next start of a composectl renews."""
    shutil.copy(project.state / "composectl" / "certificates" / "authority.pem", folder)
    due = Authority(folder).issue(own_names(), datetime.now(UTC) - timedelta(days=61))
    due.rename(project.state / "composectl" / "certificates" / due.name)


def trusting(project: ComposeProject) -> ssl.SSLContext:
    """A client that trusts the authority of the project's user, and speaks HTTP/2."""
    context = ssl.create_default_context(cafile=project.state / "composectl" / "certificates" / "authority.crt")
    context.set_alpn_protocols(["h2"])
    return context


def ready(project: ComposeProject) -> int:
    return [backend["phase"] for backend in project.status("web")["backends"]].count("ready")
