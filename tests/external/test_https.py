"""A browser that trusts the authority of this user speaks HTTP/2 to the proxy."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from contextlib import closing
from pathlib import Path

from tests.support.chromium import Chromium
from tests.support.command_line import command_line
from tests.support.paths import ROOT
from tests.support.proxy_process import Workspace

TOOLS = ROOT / ".tools"


def test_after_trust_a_page_comes_by_http_2(place: Workspace, tmp_path: Path) -> None:
    backend = place.backend()
    proxy = place.proxy(backend, words=("--tls", "internal"))
    assert place.comes_to("ready")
    database = tmp_path / ".pki" / "nssdb"
    database.mkdir(parents=True)
    subprocess.run([TOOLS / "certutil", "-N", "-d", f"sql:{database}", "--empty-password"], check=True)
    # In a mount namespace without the system's store: the one of the browser is left.
    script = f"mount -t tmpfs none /usr/local/share; {shlex.join(command_line('trust', '--yes'))}"
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "bash", "-ec", script],
        env=place.environment(PATH=f"{TOOLS}:{os.environ['PATH']}", HOME=f"{tmp_path}"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"{database} has the authority\n" in done.stderr
    with closing(Chromium(tmp_path)) as chromium:
        page = chromium.page()
        page.visit(f"https://localhost:{proxy.port}/")
        assert page.comes_to(f"document.body.innerText === '{backend.address}'")
        assert page.value("performance.getEntriesByType('navigation')[0].nextHopProtocol") == "h2"
        assert page.value("isSecureContext")
    proxy.ends_by(signal.SIGINT)
