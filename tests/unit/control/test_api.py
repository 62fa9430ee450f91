"""The control API and its client, over a real socket."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from composectl import errors
from composectl.control.client import Client, find_project_daemon, find_proxy_daemon, running_daemons
from composectl.control.commands import BackendRef, CanaryDecision, DaemonInfo, RolloutRequest, ScaleRequest
from composectl.control.paths import control_sockets
from tests.support.fake_daemon import ABOUT, Command, FakeDaemon


async def test_it_returns_its_info_and_its_status(tmp_path: Path) -> None:
    daemon = FakeDaemon()
    async with daemon.open(tmp_path) as path:
        client = await asyncio.to_thread(Client, path)
        assert client.info == ABOUT
        assert await asyncio.to_thread(client.status) == daemon.snapshot().as_json()


@pytest.mark.parametrize(
    ("method", "command"),
    [
        (Client.scale, ScaleRequest({"echo": 1})),
        (Client.scale, ScaleRequest({"echo": 1, "web": 0}, oldest_first=True)),
        (Client.rollout, RolloutRequest(("echo", "web"), "services: {}", 2, 0.5, 90, only_changed=True)),
        (Client.rollout, RolloutRequest(("echo",), "services: {}", canary=0.1)),
        (Client.decide_canary, CanaryDecision("echo", promote=True)),
        (Client.drain, BackendRef("echo", 2)),
        (Client.undrain, BackendRef("echo", 2)),
    ],
)
async def test_a_command_arrives_whole_and_its_progress_comes_back(
    tmp_path: Path, method: Callable[[Client, Command], Iterator[str]], command: Command
) -> None:
    daemon = FakeDaemon()
    async with daemon.open(tmp_path) as path:
        client = await asyncio.to_thread(Client, path)
        lines = await asyncio.to_thread(lambda: list(method(client, command)))
    assert lines == ["echo-2 draining, 1 in flight", "echo-2 removed"]
    assert daemon.commands == [command]


async def test_an_error_of_scaling_comes_through_whole(tmp_path: Path) -> None:
    async with FakeDaemon().open(tmp_path) as path:
        client = await asyncio.to_thread(Client, path)
        with pytest.raises(errors.ComposectlError) as raised:
            await asyncio.to_thread(lambda: list(client.scale(ScaleRequest({"missing": 1}))))
    assert (raised.value.message, raised.value.hint) == (
        "service `missing` is not balanced",
        "balanced services: `echo`",
    )


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n11\r\n{"progress": "a"}\r\n',
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n12\r\n{"progress": "a"}\n\r\n0\r\n\r\n',
    ],
)
async def test_one_that_is_killed_meanwhile_is_told_of(tmp_path: Path, answer: bytes) -> None:
    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        about = json.dumps({"project": "shop", "pid": 4711, "directory": "/", "listeners": []}).encode()
        response = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(about), about)
        writer.write(response if b"/about" in head else answer)
        writer.close()

    async with await asyncio.start_unix_server(respond, str(tmp_path / "shop.sock")):
        client = await asyncio.to_thread(Client, tmp_path / "shop.sock")
        with pytest.raises(errors.ComposectlError, match=r"lost the connection to composectl \(process 4711\)"):
            await asyncio.to_thread(lambda: [*client.scale(ScaleRequest({"echo": 1})), client.status()])


async def test_scaling_continues_when_its_client_leaves(tmp_path: Path) -> None:
    daemon = FakeDaemon()
    async with daemon.open(tmp_path) as path:
        _, writer = await asyncio.open_unix_connection(str(path))
        body = json.dumps({"desired": {"echo": 1}, "oldest_first": False})
        writer.write(f"POST /v1/scale HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        await writer.drain()
        await asyncio.wait_for(daemon.asked.wait(), 60)
        writer.transport.abort()
        client = await asyncio.to_thread(Client, path)
        assert client.info == ABOUT


@pytest.mark.parametrize("path", ["scale", "rollout", "rollout/promote", "rollout/abort", "drain", "undrain"])
@pytest.mark.parametrize("body", ["", "[]", '"echo"', "{}", '{"desired": {"echo": -1}, "oldest_first": false}'])
async def test_an_invalid_command_is_refused(tmp_path: Path, path: str, body: str) -> None:
    daemon = FakeDaemon()
    async with daemon.open(tmp_path) as socket_path:
        reader, writer = await asyncio.open_unix_connection(str(socket_path))
        writer.write(f"POST /v1/{path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        assert await reader.readline() == b"HTTP/1.1 400 Bad Request\r\n"
        writer.close()
    assert daemon.commands == []


async def test_i6_garbage_and_a_huge_body_leave_it_answering(tmp_path: Path) -> None:
    async with FakeDaemon().open(tmp_path) as path:
        for bytes_sent in (
            b"\0\xff garbage\r\n\r\n",
            b"POST /v1/scale HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n",
        ):
            _, writer = await asyncio.open_unix_connection(str(path))
            writer.write(bytes_sent + b"x" * 200_000)
        assert (await asyncio.to_thread(Client, path)).info == ABOUT


async def test_stop_is_passed_on(tmp_path: Path) -> None:
    daemon = FakeDaemon()
    async with daemon.open(tmp_path) as path:
        client = await asyncio.to_thread(Client, path)
        await asyncio.to_thread(client.stop)
    assert daemon.stopped == 1


async def test_the_project_is_found_by_its_name_and_by_its_directory(tmp_path: Path) -> None:
    blog = FakeDaemon(DaemonInfo("blog", 1, "/srv/blog", ()))
    async with FakeDaemon().open(tmp_path), blog.open(tmp_path):
        by_name = await asyncio.to_thread(find_project_daemon, tmp_path, "blog", Path("/srv/shop"))
        by_directory = await asyncio.to_thread(find_project_daemon, tmp_path, "", Path("/srv/shop"))
    assert (by_name.info.project, by_directory.info.project) == ("blog", "shop")


async def test_two_projects_of_one_directory_must_be_named(tmp_path: Path) -> None:
    other = FakeDaemon(DaemonInfo("other", 1, ABOUT.directory, ()))
    async with FakeDaemon().open(tmp_path), other.open(tmp_path):
        with pytest.raises(errors.ComposectlError, match="project `other`, project `shop`"):
            await asyncio.to_thread(find_project_daemon, tmp_path, "", Path(ABOUT.directory))


async def test_a_proxy_without_a_project_is_found_by_name_or_alone(tmp_path: Path) -> None:
    proxy = FakeDaemon(DaemonInfo("proxy-8080", 1, "", ()))
    async with FakeDaemon().open(tmp_path), proxy.open(tmp_path):
        by_name = await asyncio.to_thread(find_project_daemon, tmp_path, "proxy-8080", Path("/srv/shop"))
        the_only_one = await asyncio.to_thread(find_proxy_daemon, tmp_path)
    assert by_name.info == the_only_one.info == DaemonInfo("proxy-8080", 1, "", ())


async def test_of_two_proxies_one_must_be_named(tmp_path: Path) -> None:
    proxies = [FakeDaemon(DaemonInfo(name, 1, "", ())) for name in ("edge", "proxy-8080")]
    async with proxies[0].open(tmp_path), proxies[1].open(tmp_path):
        with pytest.raises(
            errors.ComposectlError, match="several are running: proxy `edge`, proxy `proxy-8080`"
        ) as raised:
            await asyncio.to_thread(find_proxy_daemon, tmp_path)
    assert "`-p NAME`" in raised.value.hint


async def test_a_project_is_never_taken_for_a_proxy(tmp_path: Path) -> None:
    async with FakeDaemon().open(tmp_path):
        with pytest.raises(errors.NothingRuns, match="no composectl is running"):
            await asyncio.to_thread(find_proxy_daemon, tmp_path)


async def test_nothing_runs_is_said(tmp_path: Path) -> None:
    with pytest.raises(errors.NothingRuns, match="no composectl is running for project `shop`"):
        await asyncio.to_thread(find_project_daemon, tmp_path, "shop", Path("/srv/shop"))


async def test_i4_a_stale_socket_is_passed_over(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "stale.sock"))
    assert control_sockets(tmp_path)
    assert await asyncio.to_thread(running_daemons, tmp_path) == []
