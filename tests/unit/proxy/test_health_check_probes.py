"""One probe of one backend."""

from __future__ import annotations

import asyncio

import pytest

from composectl.proxy import health_check
from composectl.proxy.health_check import Unhealthy, http_check, relayed_tcp_check, tcp_check
from tests.support.backends import ScriptedBackend, listen_on
from tests.support.raw_http import PATIENCE, RawConnection


async def told(backend: ScriptedBackend, answer: bytes, *, hangs_up: bool = False) -> str:
    """What a check says of a backend that gives this answer."""

    async def says(wire: RawConnection) -> None:
        await wire.head()
        await wire.send(answer)
        if hangs_up:
            wire.close()

    backend.play(says)
    try:
        async with asyncio.timeout(PATIENCE):
            return await http_check(backend.host, backend.port, "/healthz?full=1", b"localhost")
    finally:
        await backend.close()


@pytest.mark.parametrize("host", [b"localhost", b"shop.example", b"[::1]"])
async def test_a_check_is_a_get_with_a_user_agent_and_a_host(host: bytes) -> None:
    (backend,) = listen_on(["127.0.0.1"])
    asking = asyncio.create_task(http_check(backend.host, backend.port, "/healthz?full=1", host))
    wire = await backend.accept()
    assert await wire.head() == (
        b"GET /healthz?full=1 HTTP/1.1\r\nHost: %s\r\n"
        b"User-Agent: composectl\r\nAccept: */*\r\nConnection: close\r\n\r\n" % host
    )
    await wire.send(b"HTTP/1.1 200 OK\r\n\r\n")
    assert await asking == "/healthz?full=1 answered 200"
    assert await wire.rest() == b""
    await backend.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nhello",
        b"HTTP/1.1 200\r\n\r\n",
        b"HTTP/1.1 200 \xe9\xff\n\n",
        b"HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" + b"x" * 100_000,
    ],
    ids=["204", "1.0", "no reason", "odd reason", "302", "interim", "endless"],
)
async def test_2xx_and_3xx_are_well(answer: bytes) -> None:
    (backend,) = listen_on(["127.0.0.1"])
    assert "answered" in await told(backend, answer)
    assert len(backend.wires) == 1  # a redirection is not followed


@pytest.mark.parametrize("status", [400, 404, 500, 503])
async def test_4xx_and_5xx_are_not(status: int) -> None:
    (backend,) = listen_on(["127.0.0.1"])
    with pytest.raises(Unhealthy, match=f"answered {status}"):
        await told(backend, b"HTTP/1.1 %d Whatever\r\n\r\n" % status)


@pytest.mark.parametrize("status", [400, 403, 421])
async def test_a_host_that_may_be_unknown_is_named(status: int) -> None:
    (backend,) = listen_on(["127.0.0.1"])
    with pytest.raises(Unhealthy) as raised:
        await told(backend, b"HTTP/1.1 %d Whatever\r\n\r\n" % status)
    assert str(raised.value) == (f"/healthz?full=1 answered {status} to `Host: localhost` (see `--health-check-host`)")


@pytest.mark.parametrize(
    "answer",
    [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/2 200\r\n", b"HTTP/1.1 099 Low\r\n", b"HTTP/1.1 2000 High\r\n", b"x" * 100_000],
    ids=["ssh", "2", "099", "2000", "endless line"],
)
async def test_what_is_no_http_is_not(answer: bytes) -> None:
    (backend,) = listen_on(["127.0.0.1"])
    with pytest.raises(Unhealthy, match="its answer is not HTTP"):
        await told(backend, answer)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 20", b"HTTP/1.1 100 Continue\r\n\r\n"], ids=["none", "half", "100"])
async def test_one_that_hangs_up_is_not(answer: bytes) -> None:
    (backend,) = listen_on(["127.0.0.1"])
    with pytest.raises(Unhealthy, match="it hung up without an answer"):
        await told(backend, answer, hangs_up=True)


async def test_a_port_that_accepts_is_enough_where_there_is_no_path() -> None:
    (backend,) = listen_on(["127.0.0.1"])
    assert await tcp_check(backend.host, backend.port) == "its port accepts"
    assert await (await backend.accept()).rest() == b""
    backend.refuse()
    with pytest.raises(ConnectionRefusedError):
        await tcp_check(backend.host, backend.port)
    await backend.close()


async def test_behind_a_relay_it_has_to_stay_open_too() -> None:
    (backend,) = listen_on(["127.0.0.1"])
    assert await relayed_tcp_check(backend.host, backend.port) == "its port accepts"
    backend.play(lambda wire: wire.send(b"220 smtp\r\n"))
    assert await relayed_tcp_check(backend.host, backend.port) == "its port accepts"
    await backend.close()


async def test_a_relay_that_hangs_up_reaches_no_replica(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_check, "_HANGS_UP_WITHIN", PATIENCE)  # on a busy machine it may take longer
    (backend,) = listen_on(["127.0.0.1"])

    async def hangs_up(wire: RawConnection) -> None:
        wire.close()

    backend.play(hangs_up)
    with pytest.raises(ConnectionAbortedError, match="its port accepts, and hangs up"):
        await relayed_tcp_check(backend.host, backend.port)
    await backend.close()
    with pytest.raises(ConnectionRefusedError):
        await relayed_tcp_check(backend.host, backend.port)
