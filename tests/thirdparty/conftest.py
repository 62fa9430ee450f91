"""What others have written to try servers, pointed at composectl proxy: real tools, real processes, loopback only."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import Iterator

import pytest

from tests.static.place import Place
from tests.thirdparty.backend import LargeBackend


@pytest.fixture
def place() -> Iterator[Place]:
    """Whatever was started there must have ended, and left nothing."""
    place = Place()
    yield place
    assert place.close() == []


@pytest.fixture
def port(place: Place) -> Iterator[int]:
    """The port of a proxy over two backends."""
    backends = [LargeBackend() for _ in range(2)]
    words = [word for one in backends for word in ("--backend", one.address)]
    proxy = place.starts("--listen", "127.0.0.1:0", *words)
    yield proxy.port
    _, _, complaints = proxy.ends_by(signal.SIGTERM)
    assert not complaints
    for one in backends:
        one.close()


async def said_by(tool: str, *words: str, seconds: float = 40) -> str:
    """What a tool says; it must be there and succeed."""
    path = shutil.which(tool)
    assert path, f"{tool} is missing: scripts/thirdparty installs it"
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
