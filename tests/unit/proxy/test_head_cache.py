"""Heads that come again: they mean what they meant, and nothing of them is kept for longer than a second."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from composectl.proxy.head import Fields, RequestHead, ResponseHead, request_head, response_head
from composectl.proxy.http1.head_cache import Admission, CachedRequest, RequestHeadCache, ResponseHeadCache, start_of
from tests.support.backends import answers
from tests.support.examples import examples
from tests.support.judge_requests import Habits, Heard, StrictBackend, judge
from tests.support.judge_responses import Part
from tests.support.judge_responses import judge as judge_responses
from tests.support.memory_proxy import LOOP, MemoryProxy, run
from tests.support.messages import OK, status
from tests.support.odd_requests import mutated, one_request
from tests.support.odd_responses import hostilities, responses
from tests.support.proxy_fixture import ProxyFixture
from tests.support.reading import Request, read_requests

_GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
_ANSWER = b"HTTP/1.1 200 OK\r\nDate: today\r\nContent-Length: 5\r\n\r\n"
_THREE = b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(3))
any_habits = st.integers(0, 63).map(Habits.of)


@examples(200)
@given(one_request)
def test_a_request_that_comes_again_is_answered_again(data: bytes) -> None:
    requests, _, _ = read_requests(data * 3)
    assert len(judge(data * 3, [len(data)])) == len(requests)


@examples(300)
@given(mutated(one_request), any_habits)
def test_what_comes_again_is_read_as_h11_reads_it(data: bytes, habits: Habits) -> None:
    judge(data * 3, [len(data) or 1], habits)


@examples(300)
@given(st.one_of(responses(), hostilities()), st.booleans())
def test_a_response_that_comes_again_is_read_as_h11_reads_it(part: Part, slow_reader: bool) -> None:
    judge_responses(_THREE, [part] * 3, slow_reader=slow_reader, repeats=True)


def test_each_of_three_that_are_alike_has_an_id_of_its_own() -> None:
    heard = heard_of([_GET] * 3)
    ids = [dict(request.fields)[b"X-Request-ID"] for request in heard]
    assert len(set(ids)) == 3
    assert len({tuple(field for field in request.fields if field[0] != b"X-Request-ID") for request in heard}) == 1


def test_an_id_of_the_client_is_kept() -> None:
    data = b"GET /a HTTP/1.1\r\nHost: a\r\nX-Request-ID: mine\r\n\r\n"
    assert [dict(request.fields)[b"X-Request-ID"] for request in heard_of([data] * 3)] == [b"mine"] * 3


async def test_an_empty_id_is_no_id_of_the_proxy(stage: ProxyFixture) -> None:
    client = await stage.client()
    stage.backend.play(answers(OK))
    for _ in range(4):
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Request-ID:\r\n\r\n")
        head = await client.head()
        assert status(head) == 200
        assert b"Connection: close" not in head
        assert await client.exactly(2) == b"ok"


def test_what_is_looked_up_in_vain_counts_whatever_follows_it() -> None:
    cache = RequestHeadCache()
    for data in (_GET, _GET, _GET[:5], b"x" * 10_000):
        assert cache.get(data, b"", b"") is None
    assert cache.admission.misses == 4


def test_a_head_is_cached_for_its_client_alone_once_it_has_come_twice() -> None:
    cache = RequestHeadCache()
    for _ in range(2):
        assert cache.get(_GET, b"for one", b"a") is None
        offer_request(cache, _GET, request_head(b"GET", b"/a", "1.1", [(b"Host", b"a")], b"for one"), b"for one", b"a")
    assert cache.get(_GET, b"for one", b"a") is not None
    assert cache.get(_GET, b"for another", b"a") is None
    assert cache.get(_GET, b"for one", b"b") is None
    assert cache.get(_GET + b" ", b"for one", b"a") is None


def test_all_requests_are_forgotten_each_second() -> None:
    async def play() -> None:
        stage = stage_for(Heard(Habits()))
        await stage.send([_GET] * 2, in_haste=False)
        cache = stage.server.context.request_heads
        assert _GET in cache._heads
        stage.server.sweep()
        assert not cache._heads
        await stage.send([_GET], in_haste=False)
        assert not cache._heads
        await stage.leave()

    run(play())


def test_no_head_is_cached_that_a_body_follows_or_that_ends_its_connection() -> None:
    for fields, version, keep_alive in (
        ([(b"Host", b"a"), (b"Content-Length", b"0")], "1.1", True),
        ([(b"Host", b"a"), (b"Transfer-Encoding", b"chunked")], "1.1", True),
        ([(b"Host", b"a"), (b"Connection", b"upgrade"), (b"Upgrade", b"x")], "1.1", True),
        ([(b"Host", b"a")], "1.0", True),
        ([(b"Host", b"a")], "1.1", False),
        ([(b"Host", b"a"), (b"X-Composectl-Replica", b"1")], "1.1", True),
    ):
        cache = RequestHeadCache()
        for _ in range(3):
            offer_request(cache, _GET, request_head(b"GET", b"/a", version, fields, b"", keep_alive=keep_alive))
        assert cache.get(_GET, b"", b"") is None, fields


def test_a_head_of_a_response_is_cached_before_a_whole_body_alone() -> None:
    cache = ResponseHeadCache()
    fields = [(b"Date", b"today"), (b"Content-Length", b"5")]
    for _ in range(2):
        assert cache.get(_ANSWER, 5) is None
        offer_response(cache, _ANSWER, 5, response_head(200, b"OK", fields, backend_line=b""))
    assert cache.get(_ANSWER, 5) is not None
    assert cache.get(_ANSWER, 4) is None
    assert cache.get(_ANSWER, 6) is None


def test_a_response_without_a_length_or_a_body_is_not_cached() -> None:
    fields: Fields
    for code, fields in (
        (200, []),
        (200, [(b"Transfer-Encoding", b"chunked")]),
        (204, [(b"Content-Length", b"5")]),
        (304, [(b"Content-Length", b"5")]),
        (200, [(b"Content-Length", b"6")]),
    ):
        cache = ResponseHeadCache()
        for _ in range(3):
            offer_response(cache, _ANSWER, 5, response_head(code, b"OK", fields, backend_line=b""))
        assert cache.get(_ANSWER, 5) is None, (code, fields)


def test_a_head_ends_at_its_first_blank_line() -> None:
    assert start_of(_ANSWER + b"a\r\n\r\nb") == _ANSWER
    assert start_of(_ANSWER[:-1]) == b""


def test_so_many_heads_are_cached_at_most() -> None:
    requests, answers = RequestHeadCache(), ResponseHeadCache()
    for number in range(2_000):
        target = b"/%d" % (number // 2)
        data = b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % target
        offer_request(requests, data, request_head(b"GET", target, "1.1", [(b"Host", b"a")], b""))
        said = b"HTTP/1.1 200 OK\r\nX-Number: %b\r\nContent-Length: 0\r\n\r\n" % target
        offer_response(answers, said, 0, response_head(200, b"OK", [(b"Content-Length", b"0")], backend_line=b""))
    assert 0 < len(requests._heads) <= 128
    assert 0 < len(answers._heads) <= 128
    for cache in (requests, answers):
        assert 0 < len(cache.admission._seen_once) <= 128


def test_what_hardly_ever_comes_again_is_not_looked_for_until_a_while_later() -> None:
    admission = Admission()
    seconds = []
    for _ in range(25):
        seconds.append(admission.enabled)
        admission.misses += 1_000
        admission.hits += 100
        admission.second_passed()
    assert seconds == ([True] + [False] * 10) * 2 + [True] + [False] * 2


def test_what_comes_again_often_enough_is_looked_for_always() -> None:
    admission = Admission()
    for _ in range(25):
        assert admission.enabled
        admission.misses += 1_000
        admission.hits += 400
        admission.second_passed()


def test_a_few_heads_that_are_new_tell_nothing() -> None:
    admission = Admission()
    for _ in range(25):
        admission.misses += 100
        admission.second_passed()
        assert admission.enabled


def heard_of(segments: Sequence[bytes]) -> list[Request]:
    """What backends hear of a client that sends these."""
    heard = Heard(Habits())

    async def play() -> None:
        stage = stage_for(heard)
        await stage.send(segments, in_haste=False)
        await stage.leave()

    run(play())
    return heard.requests


def offer_request(
    cache: RequestHeadCache, data: bytes, head: RequestHead, forwarding: bytes = b"", server_name: bytes = b""
) -> None:
    """As the parser does."""
    if cache.admits(data, head):
        cache.put(data, CachedRequest(data, head, [], forwarding, server_name, 0))


def offer_response(cache: ResponseHeadCache, start: bytes, size: int, head: ResponseHead) -> None:
    """As the connection to a backend does."""
    if cache.admits(start, size, head):
        cache.put(start, head)


def stage_for(heard: Heard) -> MemoryProxy:
    return MemoryProxy(LOOP, lambda transport: transport.listen(StrictBackend(heard, transport.later).hear))
