"""What is handled on the way: Max-Forwards, Via, Expect and Date."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from time import time

import pytest

from composectl.proxy.server import HttpServer
from tests.support.backends import answers
from tests.support.messages import GET, OK, get, post, status
from tests.support.proxy_fixture import OpenStage, ProxyFixture

DATE = b"Date: Tue, 15 Nov 1994 08:12:31 GMT\r\n"


async def refused(stage: ProxyFixture, request: bytes) -> bytes:
    """The head of our own answer to a request that reaches no backend."""
    client = await stage.client()
    await client.send(request)
    head = await client.head()
    assert stage.backend.untouched()
    return head


# C5: nothing is added, and nothing is changed, but for a date that is missing


async def test_c5_a_request_gains_no_field_that_speaks_for_the_client(stage: ProxyFixture) -> None:
    _, backend = await stage.ask(post(b"hello"))
    head = (await backend.head()).lower()
    for name in (b"user-agent", b"accept", b"accept-encoding", b"content-type", b"date", b"server"):
        assert b"\r\n" + name + b":" not in head


async def test_c5_the_client_s_own_words_about_itself_go_on(stage: ProxyFixture) -> None:
    own = ("User-Agent: me/1", "Accept: x/y", "Accept-Encoding: br", "Content-Type: a/b")
    _, backend = await stage.ask(get("/", *own))
    lines = (await backend.head()).split(b"\r\n")
    assert [line for line in lines if line.decode() in own] == [line.encode() for line in own]


async def test_c5_a_response_keeps_its_date_and_its_server(stage: ProxyFixture) -> None:
    stage.backend.play(answers(OK.replace(b"Content", DATE + b"Server: theirs/1\r\nContent")))
    client = await stage.client()
    await client.send(GET)
    head = await client.head()
    assert head.count(DATE) == head.count(b"Date: ") == 1
    assert b"Server: theirs/1\r\n" in head


async def test_c5_a_response_without_a_date_gets_one_and_nothing_else(stage: ProxyFixture) -> None:
    stage.backend.play(answers(OK))
    client = await stage.client()
    await client.send(GET)
    head = await client.head()
    assert abs(made_at(head) - time()) < 60
    names = re.findall(rb"\r\n([^:\r]+):", head)
    assert sorted(names) == [b"Content-Length", b"Date", b"X-Internal-Service"]


async def test_c5_our_own_answers_have_a_date(stage: ProxyFixture) -> None:
    stage.observe([])
    assert abs(made_at(await refused(stage, GET)) - time()) < 60


def made_at(head: bytes) -> float:
    (date,) = re.findall(rb"\r\nDate: ([^\r]+)\r\n", head)
    return parsedate_to_datetime(date.decode()).timestamp()


# C7: which proxies a request has passed


@pytest.mark.parametrize(
    "via",
    ["1.1 composectl", "1.0 edge, 1.1 composectl", "HTTP/1.1 composectl (a comment), 1.1 other", "1.1  composectl"],
)
async def test_c7_a_request_that_has_passed_us_has_gone_in_a_circle(stage: ProxyFixture, via: str) -> None:
    head = await refused(stage, get("/", f"Via: {via}"))
    assert status(head) == 508
    assert b"X-Composectl-Error: loop\r\n" in head


@pytest.mark.parametrize("via", ["1.1 composectl2", "1.1 other (composectl)", "composectl", "", ", ,"])
async def test_c7_a_request_that_has_passed_others_goes_on(stage: ProxyFixture, via: str) -> None:
    _, backend = await stage.ask(get("/", f"Via: {via}"))
    assert f"Via: {via}\r\nVia: 1.1 composectl\r\n".encode() in await backend.head()


async def test_c7_each_listener_has_a_name_of_its_own(stage: ProxyFixture) -> None:
    names = {HttpServer(stage.server.upstreams.http1).context.name for _ in range(10)}
    assert len(names) == 10
    assert all(re.fullmatch("composectl-[0-9a-f]{8}", name) for name in names)


# C17: what a request expects


async def test_c17_an_unknown_expectation_is_a_417(stage: ProxyFixture) -> None:
    assert status(await refused(stage, post(b"").replace(b"\r\n\r\n", b"\r\nExpect: 200-maybe\r\n\r\n"))) == 417


async def test_c17_nor_is_it_known_beside_one_that_is(stage: ProxyFixture) -> None:
    assert status(await refused(stage, get("/", "Expect: 100-continue", "Expect: tea"))) == 417


async def test_c17_the_expectation_of_http_1_0_is_none(stage: ProxyFixture) -> None:
    _, backend = await stage.ask(b"POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello")
    assert b"Expect" not in await backend.head()


async def test_c17_a_final_answer_may_come_in_place_of_100(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(post(b"", 5).replace(b"\r\n\r\n", b"\r\nExpect: 100-Continue\r\n\r\n"))
    assert b"Expect: 100-continue\r\n" in await backend.head()
    await backend.send(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
    head = await client.head()
    assert status(head) == 401
    assert b"Connection: close\r\n" in head
    assert await client.rest() == b""


# C18: how far a request may go


async def test_c18_options_that_may_go_no_further_are_ours_to_answer(stage: ProxyFixture) -> None:
    head = await refused(stage, b"OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n")
    assert status(head) == 200


async def test_c18_a_trace_that_may_go_no_further_is_not_echoed(stage: ProxyFixture) -> None:
    head = await refused(stage, b"TRACE / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\nCookie: secret\r\n\r\n")
    assert status(head) == 405
    assert b"\r\nAllow: " in head
    assert b"TRACE" not in head


@pytest.mark.parametrize("method", [b"OPTIONS", b"TRACE"])
async def test_c18_one_that_may_go_further_goes_one_step(stage: ProxyFixture, method: bytes) -> None:
    _, backend = await stage.ask(method + b" / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 10\r\n\r\n")
    assert b"\r\nMax-Forwards: 9\r\n" in await backend.head()


async def test_c18_it_is_nothing_to_other_methods(stage: ProxyFixture) -> None:
    _, backend = await stage.ask(get("/", "Max-Forwards: 0"))
    assert b"\r\nMax-Forwards: 0\r\n" in await backend.head()


@pytest.mark.parametrize("number", ["-1", "x", "1" * 20, "", "1, 1"])
async def test_c18_what_is_no_number_is_refused(stage: ProxyFixture, number: str) -> None:
    request = f"OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: {number}\r\n\r\n".encode()
    assert status(await refused(stage, request)) == 400


# A31: names that look like ours to a backend that writes `_` for `-`


@pytest.mark.parametrize(
    "twin",
    [
        "X_Forwarded_For: 6.6.6.6",
        "x_forwarded-for: 6.6.6.6",
        "X-Forwarded_Proto: https",
        "X_FORWARDED_HOST: evil",
        "Content_Length: 5",
        "Transfer_Encoding: chunked",
    ],
)
async def test_a31_the_twins_of_what_we_say_are_dropped(stage: ProxyFixture, twin: str) -> None:
    _, backend = await stage.ask(get("/", twin, "X-End: 1"))
    head = await backend.head()
    assert twin.encode() not in head
    assert b"\r\nX-End: 1\r\n" in head
    assert backend.silent()


async def test_a31_other_underscores_are_no_twins(stage: ProxyFixture) -> None:
    _, backend = await stage.ask(get("/", "My_Field: 1", "X_Forwarded_Forever: 2"))
    head = await backend.head()
    assert b"\r\nMy_Field: 1\r\nX_Forwarded_Forever: 2\r\n" in head


async def test_c7_two_of_us_in_a_chain_are_no_circle(open_stage: OpenStage) -> None:
    first = await open_stage(name="composectl-one")
    second = await open_stage(name="composectl-two")
    _, backend = await first.ask(GET)
    passed = await backend.head()
    client = await second.client()
    await client.send(passed)
    head = await (await second.backend.accept()).head()
    assert b"Via: 1.1 composectl-one\r\nVia: 1.1 composectl-two\r\n" in head
