"""`up --sticky`: clients stay with their replica, while others come and go, and none of their requests fails."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from http.client import HTTPConnection

import aiohttp
import pytest
import socketio
import socketio.exceptions

from tests.support.compose_project import ComposeProject
from tests.support.paths import ROOT
from tests.support.wait import wait_until_async

# The replicas run the Python of this machine, whose files they mount.
FOLDERS = ("/usr", "/lib", "/lib64", sys.base_prefix, str(ROOT))
SOCKET_IO = """\
services:
  echo:
    image: {image}
    working_dir: {root}
    command: [{python}, -m, tests.support.socketio_server, "8000"]
    stop_grace_period: 3s
    labels:
      version: "{version}"
    ports:
      - "{port}:8000"
    volumes: [{volumes}]
"""
SESSIONS = 200
CALL_SECONDS = 10
INTERVAL = 0.5  # seconds between two messages of a session
SECONDS = 60.0

pytestmark = pytest.mark.parametrize("compose", ["v2"], indirect=True)


class Visitors:
    """Browsers: each keeps the cookie that it was given."""

    def __init__(self, port: int, count: int) -> None:
        self._port = port
        self.cookies = [""] * count
        self.failed = 0

    def ask(self) -> list[str]:
        """The replica that answers each of them."""
        return [self._ask(number) for number in range(len(self.cookies))]

    def _ask(self, number: int) -> str:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=SECONDS)
        cookie = self.cookies[number]
        connection.request("GET", "/", headers={"Cookie": cookie} if cookie else {})
        response = connection.getresponse()
        response.read()
        connection.close()
        self.failed += response.status != 200
        self.cookies[number] = response.headers.get("Set-Cookie", cookie).partition(";")[0]
        return str(response.headers["X-Internal-Service"])


@pytest.mark.slow
def test_of_a_thousand_sessions_over_ten_replicas_a_tenth_moves_when_one_leaves(project: ComposeProject) -> None:
    project.run("up", "--balance", "echo=10", "-d", "--sticky")
    assert project.has_ready(10)
    visitors = Visitors(project.port, 1000)
    before = visitors.ask()
    assert len(set(before)) == 10
    assert visitors.ask() == before
    project.run("scale", "echo=9")
    after = visitors.ask()
    moved = sum(home != former for home, former in zip(after, before, strict=True))
    assert 80 <= moved <= 120
    assert visitors.failed == 0
    totals = project.status()["totals"]
    assert (totals["sessions_moved"], totals["failed"]) == (moved, 0)

    project.run("up", "--balance", "echo=9", "-d", "--sticky", "--handover")
    assert visitors.ask() == after
    assert project.status()["totals"]["sessions_moved"] == 0


class Session:
    """One session of Socket.IO, by its own client: long polling first, then a WebSocket.

    `hosts` are the replicas that answered; `transports` what the answers came by.
    """

    def __init__(self, port: int) -> None:
        self._address = f"http://127.0.0.1:{port}"
        self.hosts: list[str] = []
        self.answers = 0
        self.transports: set[str] = set()

    async def run(self, over: asyncio.Event) -> None:
        """Send messages until it is over, each until it is answered."""
        jar = aiohttp.CookieJar(unsafe=True)  # of an address, not of a name
        async with aiohttp.ClientSession(cookie_jar=jar) as http:
            client = socketio.AsyncClient(http_session=http, reconnection_delay=0.2, reconnection_delay_max=1)
            await client.connect(self._address, wait_timeout=int(SECONDS), retry=True)
            while not over.is_set() or self.answers < 3:
                await self._add(client)
                with suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), INTERVAL)
            await client.disconnect()

    async def _add(self, client: socketio.AsyncClient) -> None:
        while True:
            try:
                host, _ = await client.call("add", 1, timeout=CALL_SECONDS)
            except socketio.exceptions.SocketIOError:  # its replica has left: the client connects again by itself
                await asyncio.sleep(INTERVAL)
                continue
            self.answers += 1
            self.transports.add(client.transport())
            if self.hosts[-1:] != [host]:
                self.hosts.append(host)
            return


def write_socket_io(project: ComposeProject, version: int) -> None:
    volumes = ", ".join(f'"{folder}:{folder}:ro"' for folder in FOLDERS)
    project.write(SOCKET_IO, root=ROOT, python=ROOT / ".venv/bin/python", version=version, volumes=volumes)


@pytest.mark.slow
async def test_two_hundred_sessions_of_socket_io_complete_through_a_rollout(project: ComposeProject) -> None:
    write_socket_io(project, 1)
    run = asyncio.to_thread
    await run(project.run, "up", "--balance", "echo=4", "-d", "--sticky", "--drain-timeout", "1")
    assert await run(project.has_ready, 4)
    sessions = [Session(project.port) for _ in range(SESSIONS)]
    over = asyncio.Event()
    async with asyncio.timeout(8 * SECONDS), asyncio.TaskGroup() as group:
        for session in sessions:
            group.create_task(session.run(over))
        await wait_until_async(lambda: all(session.answers >= 2 for session in sessions), within=4 * SECONDS)
        at_rest = [list(session.hosts) for session in sessions]
        write_socket_io(project, 2)
        await run(project.run, "rollout", "echo", "--monitor", "500ms")
        over.set()
    assert {len(hosts) for hosts in at_rest} == {1}  # polling and upgrade reach one replica, and stay with it
    assert len({hosts[0] for hosts in at_rest}) == 4
    assert all("websocket" in session.transports for session in sessions)
    old = {hosts[0] for hosts in at_rest}
    assert not old & {session.hosts[-1] for session in sessions}
    assert all(session.answers >= 3 for session in sessions)
