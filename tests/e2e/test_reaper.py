"""What tests have started goes with them, also where they are killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.leftovers import processes
from tests.support.paths import ROOT
from tests.support.wait import wait_until

ENGINE = """
import os
from pathlib import Path

from tests.support.images import ECHO_IMAGE, build_echo
from tests.support.own_engine import own_engine

with own_engine() as engine:
    client = engine.client()
    build_echo(client)
    client.networks.create("e2e-reaper")
    client.containers.run(ECHO_IMAGE, detach=True, network="e2e-reaper")
    links = [f"e2e-{os.getpid()}", f"br-{client.networks.get('e2e-reaper').id[:12]}"]
    assert all(Path("/sys/class/net", link).exists() for link in links)
    print(engine.url.removeprefix("unix://").removesuffix("/docker.sock"), *links, flush=True)
    input()
"""
PROXY = """
from tests.support.proxy_process import Workspace

place = Workspace()
place.run("proxy", "-d", "--listen", f"127.0.0.1:{place.port()}", "--backend", place.backend().address)
print(place.runtime.parent, flush=True)
input()
"""


def killed_after(script: str) -> tuple[Path, list[str]]:
    """The folder that the script has printed before it was killed, and the links."""
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout
        printed, *links = running.stdout.readline().split()
        folder = Path(printed)
        assert folder.is_dir()
        running.kill()
    return folder, links


def test_an_engine_goes_with_the_process_that_started_it() -> None:
    folder, links = killed_after(ENGINE)
    assert wait_until(lambda: not folder.exists())
    assert f"{folder}/" not in Path("/proc/self/mountinfo").read_text()
    assert wait_until(lambda: not any(Path("/sys/class/net", link).exists() for link in links))


def test_a_proxy_in_the_background_goes_with_its_starter() -> None:
    folder, _ = killed_after(PROXY)
    assert wait_until(lambda: not list(processes(folder.name)))
    assert wait_until(lambda: not folder.exists())
