"""`composectl proxy` in a process of its own, whose memory can be measured and which can be sent signals."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from composectl.proxy.sockets import raise_open_files
from tests.support.backends import Script, ScriptedBackend, listen_on
from tests.support.kept_port import keep_port
from tests.support.raw_http import PATIENCE, RawConnection, connect

_LISTEN = "0A"  # in /proc/net/tcp (proc(5))


class MeasuredProxy:
    """A running proxy; `folder` is where its socket is while it runs."""

    def __init__(self, process: asyncio.subprocess.Process, address: tuple[str, int], folder: Path) -> None:
        self.address = address
        self.folder = folder / "composectl"
        self._process = process
        self._clients: list[RawConnection] = []

    async def client(self, *, receive_buffer: int = 0) -> RawConnection:
        self._clients.append(await connect(self.address, receive_buffer=receive_buffer))
        return self._clients[-1]

    def memory(self) -> int:
        """What it occupies now, in bytes."""
        return self._status("VmRSS")

    def peak(self) -> int:
        """The most that it has occupied since `forget_peak`, in bytes."""
        return self._status("VmHWM")

    def forget_peak(self) -> None:
        Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")

    def descriptors(self) -> int:
        """How many it has open."""
        return len(os.listdir(f"/proc/{self._process.pid}/fd"))

    def listening(self) -> list[str]:
        """The addresses on which it listens for TCP, as `/proc/net/tcp` writes them."""
        proc = Path(f"/proc/{self._process.pid}")
        open_ = {os.readlink(descriptor) for descriptor in (proc / "fd").iterdir()}
        tables = [line.split() for name in ("tcp", "tcp6") for line in (proc / "net" / name).read_text().splitlines()]
        return [fields[1] for fields in tables if fields[3] == _LISTEN and f"socket:[{fields[9]}]" in open_]

    def send_signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def said(self, word: str) -> str:
        """The next line of its output with this word."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while word not in (line := (await self._process.stdout.readline()).decode()):
                assert line, f"it ended without a word of {word}"
        return line

    async def ended(self) -> int:
        """Its exit code."""
        async with asyncio.timeout(PATIENCE):
            return await self._process.wait()

    async def complaints(self) -> str:
        """All that it has said on stderr; to be asked once it has ended."""
        assert self._process.stderr is not None
        return (await self._process.stderr.read()).decode()

    async def close(self) -> None:
        for client in self._clients:
            client.close()
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    # Private

    def _status(self, key: str) -> int:
        text = Path(f"/proc/{self._process.pid}/status").read_text()
        found = re.search(rf"{key}:\s+(\d+) kB", text)
        assert found, text
        return int(found[1]) * 1024


@asynccontextmanager
async def measured_proxy(
    folder: Path, backends: Sequence[str], *options: str, files: int = 0
) -> AsyncIterator[MeasuredProxy]:
    """While entered, a proxy runs over these backends, all of which listen; it may open `files`, 0: any number."""
    words = [*options, *(word for backend in backends for word in ("--backend", backend))]
    kept = keep_port()
    address: tuple[str, int] = kept.getsockname()
    process = await asyncio.create_subprocess_exec(
        *(("prlimit", f"--nofile={files}:{files}") if files else ()),
        *(sys.executable, "-m", "composectl", "proxy", "--listen", f"127.0.0.1:{address[1]}", *words),
        env={**os.environ, "XDG_RUNTIME_DIR": str(folder)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    running = MeasuredProxy(process, address, folder)
    try:
        assert (await running.said(" behind ")).endswith(f" behind {address[0]}:{address[1]}\n")
        await running.said("-> ready")
        yield running
    finally:
        await running.close()
        kept.close()


@asynccontextmanager
async def measured_proxy_before(
    folder: Path, script: Script, *options: str, files: int = 0
) -> AsyncIterator[tuple[MeasuredProxy, ScriptedBackend]]:
    """A proxy apart, and the backend behind it, which plays `script`; connections of probes end unheard."""
    raise_open_files()
    (backend,) = listen_on(["127.0.0.1"])
    backend.play(script)
    try:
        async with measured_proxy(folder, [backend.address], *options, files=files) as proxy:
            yield proxy, backend
    finally:
        await backend.close()
