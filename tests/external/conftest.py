"""Tools of others, pointed at `composectl proxy`: real tools, a real browser, real processes, loopback only."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import Iterator

import pytest

from tests.support.chromium import Chromium
from tests.support.large_backend import LargeBackend
from tests.support.proxy_process import Workspace


@pytest.fixture
def port(place: Workspace) -> Iterator[int]:
    """The port of a proxy over two backends."""
    backends = [LargeBackend() for _ in range(2)]
    words = [word for backend in backends for word in ("--backend", backend.address)]
    proxy = place.starts("--listen", "127.0.0.1:0", *words)
    yield proxy.port
    _, _, complaints = proxy.ends_by(signal.SIGTERM)
    assert not complaints
    for backend in backends:
        backend.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Chromium]:
    browser = Chromium()
    yield browser
    browser.close()


@pytest.fixture
def chromium(browser: Chromium) -> Iterator[Chromium]:
    """The browser; at the end its pages are closed, and no page reported an error or contacted another host."""
    yield browser
    complaints, strangers = browser.leave()
    assert complaints == []
    assert strangers == []


async def said_by(tool: str, *words: str, seconds: float = 40) -> str:
    """What a tool says; it must be there and succeed."""
    path = shutil.which(tool)
    assert path, f"{tool} is missing: scripts/external installs it"
    process = await asyncio.create_subprocess_exec(
        path,
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(seconds):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, said.decode(errors="replace")
    return said.decode(errors="replace")
