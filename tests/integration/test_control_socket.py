"""What the control socket tells, to which users, and that it is never in the way of the proxy."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.support.backends import answers
from tests.support.measured_process import MeasuredProxy, measured_proxy_before
from tests.support.messages import GET, OK, get, status
from tests.support.raw_http import RawConnection
from tests.support.wait import wait_until_async

SECRETS = ("hunter2", "c00kie", "t0ken")
UNPRIVILEGED = 65534


def socket_of(proxy: MeasuredProxy) -> Path:
    (path,) = proxy.folder.glob("*.sock")
    return path


async def run_status(folder: Path, *words: str) -> tuple[int, str]:
    """The exit code and all output of `composectl status`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "composectl", "-p", "edge", "status", *words),
        env={**os.environ, "XDG_RUNTIME_DIR": str(folder)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def service(folder: Path) -> dict[str, Any]:
    code, output = await run_status(folder, "--json")
    (shown,) = json.loads(output)["services"]
    assert isinstance(shown, dict)
    assert code == (0 if any(backend["phase"] == "ready" for backend in shown["backends"]) else 3)
    return shown


async def test_i7_status_shows_what_runs_what_drains_and_what_ended(tmp_path: Path) -> None:
    answer = asyncio.Event()

    async def waits(wire: RawConnection) -> None:
        while True:
            await wire.head()
            await answer.wait()
            await wire.send(OK)

    async with measured_proxy_before(tmp_path, waits, "--name", "edge") as (proxy, backend):
        running = await service(tmp_path)
        assert [shown["phase"] for shown in running["backends"]] == ["ready"]
        client = await proxy.client()
        await client.send(GET)
        await wait_until_async(lambda: any(b"GET / " in wire.received for wire in backend.wires))
        proxy.send_signal(15)
        await proxy.said("draining")
        draining = await service(tmp_path)
        assert [shown["phase"] for shown in draining["backends"]] == ["draining"]
        assert draining.keys() == running.keys()
        answer.set()
        await proxy.ended()
        code, output = await run_status(tmp_path, "--json")
        assert code == 1
        assert output.startswith("error: no composectl is running")
        assert "Traceback" not in output


async def test_i8_no_secret_of_a_request_or_an_answer_is_told(tmp_path: Path) -> None:
    response = OK.replace(b"Content", b"Set-Cookie: s=c00kie\r\nContent")
    async with measured_proxy_before(tmp_path, answers(response), "--name", "edge") as (proxy, _):
        client = await proxy.client()
        await client.send(get("/?key=t0ken", "Authorization: Bearer hunter2", "Cookie: s=c00kie"))
        assert status(await client.until(b"ok")) == 200
        assert (await service(tmp_path))["totals"]["requests"] == 1
        outputs = [await run_status(tmp_path, "--json"), await run_status(tmp_path)]
        proxy.send_signal(2)
        said = await proxy.said("drained")
        await proxy.ended()
        everything = "".join((*(output for _, output in outputs), said, await proxy.complaints()))
        assert not [secret for secret in SECRETS if secret in everything]


async def test_i11_it_listens_where_it_was_told_and_nowhere_else(tmp_path: Path) -> None:
    async with measured_proxy_before(tmp_path, answers(OK)) as (proxy, _):
        assert proxy.listening() == [f"0100007F:{proxy.address[1]:04X}"]


@pytest.fixture
def reachable_folder() -> Iterator[Path]:
    """A private folder, in one into which every user can look."""
    with TemporaryDirectory() as name:
        yield Path(name)


async def test_i2_no_other_user_may_use_the_control_socket(reachable_folder: Path) -> None:
    async with measured_proxy_before(reachable_folder, answers(OK), "--name", "edge") as (proxy, _):
        path = socket_of(proxy)
        open_to_all(reachable_folder)
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert path.stat().st_mode & 0o777 == 0o600
        assert not can_switch_user() or as_another_user(path) == errno.EACCES


async def test_i2_nor_where_the_folder_is_open_to_all(reachable_folder: Path) -> None:
    async with measured_proxy_before(reachable_folder, answers(OK), "--name", "edge") as (proxy, _):
        path = socket_of(proxy)
        open_to_all(reachable_folder)
        path.parent.chmod(0o755)
        path.chmod(0o666)
        code = 403 if can_switch_user() else 200
        assert as_another_user(path) == code


def open_to_all(folder: Path) -> None:
    folder.chmod(0o755)


def can_switch_user() -> bool:
    return os.geteuid() == 0


def as_another_user(path: Path) -> int:
    """What another user, if one can be had, gets for asking: the status of the answer, or the error's number."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        if can_switch_user():
            os.setgroups([])
            os.setgid(UNPRIVILEGED)
            os.setuid(UNPRIVILEGED)
        os.write(writing, str(_ask(path)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        return int(answer.read())


def _ask(path: Path) -> int:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError as error:
            return error.errno or -1
        client.sendall(b"GET /v1/about HTTP/1.1\r\nHost: x\r\n\r\n")
        return status(client.recv(4096))
