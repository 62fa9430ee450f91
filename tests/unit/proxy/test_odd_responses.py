"""Whatever bytes and segments come from backends: clients get what h11 reads of them, an error, or a broken end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.judge_responses import CLIENTS, Part, judge
from tests.support.odd_responses import clients, hostilities, responses
from tests.support.reading import read_requests

HEAD = CLIENTS[b"head"]


@examples(200)
@given(clients.filter(lambda asked: asked != HEAD), st.lists(responses(), max_size=3), st.booleans())
def test_b_valid_responses_all_go_on(asked: bytes, parts: list[Part], slow_reader: bool) -> None:
    requests, _, _ = read_requests(asked)
    answers = judge(asked, parts, slow_reader=slow_reader)
    # A client of HTTP/1.0 gets what has no length until the end of its connection.
    assert len(answers) == len(requests) or requests[0].version == b"1.0"
    assert all(answer.field(b"X-Internal-Service") for answer in answers)


@examples(300)
@given(clients, st.lists(hostilities(), min_size=1, max_size=4), st.booleans())
def test_b_nothing_goes_on_but_whole_responses_to_their_requests(
    asked: bytes, parts: list[Part], slow_reader: bool
) -> None:
    judge(asked, parts, slow_reader=slow_reader)
