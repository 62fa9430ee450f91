"""`X-Request-ID` and the trace context: one name for a request, all the way."""

from __future__ import annotations

import re

import pytest

from composectl.proxy.request_id import is_valid_request_id, make_request_id
from tests.support.messages import OK, get, status
from tests.support.proxy_fixture import OpenStage, ProxyFixture

ID = re.compile(rb"\r\nX-Request-ID: ([^\r]*)\r\n")
MADE = re.compile(rb"[0-9a-f]{32}")
TRACE = (
    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "tracestate: congo=t61rcWkgMzE,rojo=00f067aa0ba902b7",
    "baggage: user=%C3%A9",
)


async def relayed(stage: ProxyFixture, *lines: str, answer: bytes = OK) -> tuple[list[bytes], list[bytes]]:
    """The ids that the backend gets for a request with these fields, and those that its client gets."""
    client, backend = await stage.ask(get("/", *lines))
    asked = await backend.head()
    await backend.send(answer)
    return ID.findall(asked), ID.findall(await client.until(b"\r\n\r\n"))


def test_no_two_are_alike() -> None:
    assert len({make_request_id() for _ in range(10_000)}) == 10_000
    assert MADE.fullmatch(make_request_id())


@pytest.mark.parametrize(
    "said", [b"a", b"x" * 128, b"8b1f5a9c-7f0e-4a0c", b"Zm9v/+A=", b"Root=1-67891233:2", b"me@host"]
)
def test_what_is_fit(said: bytes) -> None:
    assert is_valid_request_id(said)


@pytest.mark.parametrize("said", [b"", b"x" * 129, b"two words", b'"', b"a,b", b"a;b", b"\xc3\xa9", b"<b>", b"a\n"])
def test_what_is_not(said: bytes) -> None:
    assert not is_valid_request_id(said)


async def test_c21_a_request_without_an_id_gets_one_as_does_its_client(open_stage: OpenStage) -> None:
    (asked,), (returned,) = await relayed(await open_stage(make_id=make_request_id))
    assert asked == returned
    assert MADE.fullmatch(asked)


async def test_c21_a_clients_own_is_kept(open_stage: OpenStage) -> None:
    stage = await open_stage(make_id=make_request_id)
    assert await relayed(stage, "x-request-id: mine-1") == ([b"mine-1"], [b"mine-1"])


@pytest.mark.parametrize(
    "lines", [("X-Request-ID: two words",), ("X-Request-ID: a", "X-Request-Id: b"), ("X-Request-ID:",)]
)
async def test_c21_one_that_is_none_is_replaced(open_stage: OpenStage, lines: tuple[str, ...]) -> None:
    (asked,), (returned,) = await relayed(await open_stage(make_id=make_request_id), *lines)
    assert asked == returned
    assert MADE.fullmatch(asked)


async def test_c21_a_backends_own_is_what_its_client_gets(open_stage: OpenStage) -> None:
    answer = OK.replace(b"\r\n\r\n", b"\r\nx-request-id: the backend's\r\n\r\n")
    _, returned = await relayed(await open_stage(make_id=make_request_id), answer=answer)
    assert returned == [b"the backend's"]


async def test_c21_what_cgi_takes_for_one_is_dropped(open_stage: OpenStage) -> None:
    stage = await open_stage(make_id=make_request_id)
    _, backend = await stage.ask(get("/", "X_Request_ID: evil", "X-Request_ID: evil"))
    assert b"evil" not in await backend.head()


async def test_c21_each_attempt_has_the_same_one(open_stage: OpenStage) -> None:
    stage = await open_stage(2, make_id=make_request_id)
    client, first = await stage.ask(get("/"))
    (made,) = ID.findall(await first.head())
    first.close()
    second = await stage.backends[1].accept()
    assert ID.findall(await second.head()) == [made]
    await second.send(OK)
    assert ID.findall(await client.until(b"\r\n\r\n")) == [made]


async def test_c21_our_own_answer_has_it_too(open_stage: OpenStage) -> None:
    stage = await open_stage(make_id=make_request_id)
    stage.backend.refuse()
    client = await stage.client()
    await client.send(get("/", "X-Request-ID: mine-1"))
    head = await client.head()
    assert (status(head), ID.findall(head)) == (502, [b"mine-1"])


async def test_c21_so_has_a_refusal(open_stage: OpenStage) -> None:
    stage = await open_stage(make_id=make_request_id)
    client = await stage.client()
    await client.send(b"GET / HTTP/1.1\r\nX-Request-ID: mine-1\r\n\r\n")
    head = await client.head()
    (made,) = ID.findall(head)
    assert status(head) == 400
    assert MADE.fullmatch(made)


async def test_c21_a_switch_of_protocols_has_it_once(open_stage: OpenStage) -> None:
    stage = await open_stage(make_id=make_request_id)
    client, backend = await stage.ask(get("/", "Connection: Upgrade", "Upgrade: chat"))
    (asked,) = ID.findall(await backend.head())
    await backend.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n")
    assert ID.findall(await client.head()) == [asked]


async def test_c21_without_ids_of_ours_everything_goes_on_as_it_comes(stage: ProxyFixture) -> None:
    assert await relayed(stage) == ([], [])


async def test_c21_without_ids_of_ours_a_clients_is_its_own_affair(stage: ProxyFixture) -> None:
    assert await relayed(stage, "X-Request-ID: two words") == ([b"two words"], [])


async def test_c22_the_trace_context_goes_on_untouched(open_stage: OpenStage) -> None:
    stage = await open_stage(make_id=make_request_id)
    _, backend = await stage.ask(get("/", *TRACE))
    head = await backend.head()
    assert "\r\n".join(TRACE).encode() in head
