"""A replica that is paused, as the kernel pauses it: its port accepts, and nothing answers."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.integration.test_control_socket import service
from tests.support.measured_process import measured_proxy
from tests.support.messages import get, status

SERVER = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


@asynccontextmanager
async def replica() -> AsyncIterator[tuple[str, int]]:
    """The address and the process id of a server of its own."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVER, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield f"127.0.0.1:{int(await process.stdout.readline())}", process.pid
    finally:
        process.kill()
        await process.wait()


async def test_d2_p10_a_paused_replica_costs_time_and_no_request(tmp_path: Path) -> None:
    async with AsyncExitStack() as running:
        replicas = [await running.enter_async_context(replica()) for _ in range(2)]
        addresses = [address for address, _ in replicas]
        proxy = await running.enter_async_context(
            measured_proxy(tmp_path, addresses, "--response-timeout", "3", "--name", "edge")
        )
        await proxy.said("-> ready")
        os.kill(replicas[0][1], signal.SIGSTOP)
        clients = [await proxy.client() for _ in range(6)]
        for number, client in enumerate(clients):
            await client.send(get(f"/{number}"))
        assert [status(await client.until(b"ok")) for client in clients] == [200] * 6
        assert (await service(tmp_path))["totals"]["retried"] > 0


@pytest.mark.slow
async def test_d2_p10_with_all_paused_it_is_a_504_until_they_go_on(tmp_path: Path) -> None:
    async with AsyncExitStack() as running:
        address, pid = await running.enter_async_context(replica())
        proxy = await running.enter_async_context(measured_proxy(tmp_path, [address], "--response-timeout", "3"))
        os.kill(pid, signal.SIGSTOP)
        client = await proxy.client()
        await client.send(get("/"))
        assert status(await client.until(b"Timeout\n")) == 504
        os.kill(pid, signal.SIGCONT)
        await client.send(get("/"))
        assert status(await client.until(b"ok")) == 200
