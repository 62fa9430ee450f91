"""Whatever frames and segments come: the proxy answers in HTTP/2 as h2 reads it, and leaves nothing behind."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.judge_http2 import answers_of, judge_backend, judge_client
from tests.support.odd_frames import of_backends, of_clients, segments

bodies = st.one_of(st.none(), st.binary(max_size=60))


@examples(100)
@given(of_clients, segments)
def test_j13_whatever_a_client_says(said: bytes, sizes: list[int]) -> None:
    judge_client(said, sizes)


@examples(100)
@given(of_backends, segments)
def test_j13_whatever_a_backend_says(said: bytes, sizes: list[int]) -> None:
    judge_backend(said, sizes)


@examples(40)
@given(st.lists(bodies, min_size=1, max_size=8), segments)
def test_j20_valid_requests_are_all_answered(bodies: list[bytes | None], sizes: list[int]) -> None:
    assert answers_of(bodies, sizes) == [(200, b"ok")] * len(bodies)
