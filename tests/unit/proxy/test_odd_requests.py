"""Whatever bytes and segments come from clients: backends hear what h11 reads of them, or nothing and a refusal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.judge_requests import Habits, judge
from tests.support.odd_requests import attacks, pipelines, segments
from tests.support.reading import Response, read_requests

habits = st.builds(
    Habits,
    *(st.booleans(), st.just(False), st.booleans(), st.booleans(), st.booleans(), st.booleans()),
)
any_habits = st.integers(0, 63).map(Habits.of)


@examples(200)
@given(pipelines, segments, habits)
def test_a26_valid_requests_are_all_heard_and_answered(data: bytes, sizes: list[int], habits: Habits) -> None:
    requests, _, _ = read_requests(data)
    answers = judge(data, sizes, habits)
    assert [answer.status for answer in answers] == [200] * len(requests)


@examples(200)
@given(attacks, segments, any_habits)
def test_a28_no_request_is_heard_but_those_that_were_sent(data: bytes, sizes: list[int], habits: Habits) -> None:
    judge(data, sizes, habits)


@examples(200)
@given(attacks, segments)
def test_a28_segments_make_no_difference(data: bytes, sizes: list[int]) -> None:
    assert outcome(judge(data, sizes)) == outcome(judge(data))


def outcome(answers: list[Response]) -> list[int]:
    """Whether it is a method that is not known or none at all, only the start of the segment tells: 501 or 400."""
    return [400 if answer.status == 501 else answer.status for answer in answers]


@examples(200)
@given(st.binary(max_size=200), segments)
def test_a28_noise_is_refused(data: bytes, sizes: list[int]) -> None:
    requests, _, _ = read_requests(data)
    assert not requests
    assert all(answer.status >= 400 for answer in judge(data, sizes))
