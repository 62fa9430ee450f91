"""A request is sent again only where that is safe."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composectl.balance.retry import IDEMPOTENT, MAX_RETRIES, RetryBudget, may_retry
from tests.support.examples import examples


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"])
def test_idempotent_methods_may_be_repeated(method: bytes) -> None:
    assert method in IDEMPOTENT
    assert may_retry(method, connected=True, whole=True, reached=1)


@pytest.mark.parametrize("method", [b"POST", b"PATCH", b"LOCK", b"get"])
def test_others_may_not_once_they_can_have_arrived(method: bytes) -> None:
    assert not may_retry(method, connected=True, whole=True, reached=1)
    assert may_retry(method, connected=False, whole=True, reached=0)


def test_nothing_is_sent_again_in_part() -> None:
    assert not may_retry(b"GET", connected=True, whole=False, reached=1)


def test_two_further_backends_are_enough() -> None:
    assert may_retry(b"GET", connected=True, whole=True, reached=MAX_RETRIES)
    assert not may_retry(b"GET", connected=True, whole=True, reached=MAX_RETRIES + 1)


@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_attempts_without_a_connection_are_free(method: bytes) -> None:
    assert may_retry(method, connected=False, whole=True, reached=MAX_RETRIES + 1)


def begun(budget: RetryBudget, count: int) -> None:
    for _ in range(count):
        budget.begin()


def test_p3_three_further_attempts_are_always_there() -> None:
    budget = RetryBudget()
    for _ in range(3):
        assert budget.allows(requests=1, active=1)
        budget.begin()
    assert not budget.allows(requests=1, active=1)
    budget.end()
    assert budget.allows(requests=1, active=1)


def test_p3_a_fifth_of_the_active_requests_is_the_most() -> None:
    budget = RetryBudget()
    assert budget.allows(requests=1000, active=100)
    begun(budget, 19)
    assert budget.allows(requests=1000, active=100)
    begun(budget, 1)
    assert not budget.allows(requests=1000, active=100)


def test_what_succeeds_costs_nothing() -> None:
    budget = RetryBudget()
    for _ in range(100):
        assert budget.allows(requests=1, active=1)
        budget.begin()
        budget.end()


def test_what_fails_is_paid_for_by_five_requests() -> None:
    budget = RetryBudget()
    for _ in range(3):
        budget.begin()
        budget.spend()
        budget.end()
    assert not budget.allows(requests=15, active=1)
    assert not budget.allows(requests=19, active=1)
    assert budget.allows(requests=20, active=1)


def test_good_times_are_not_saved_for_bad_ones() -> None:
    budget = RetryBudget()
    assert budget.allows(requests=1_000_000, active=10)
    begun(budget, 3)
    assert not budget.allows(requests=1_000_000, active=10)


STEPS = st.lists(st.sampled_from(["request", "request", "answer", "fail", "succeed"]), max_size=300)


@examples(100)
@given(STEPS)
def test_d10_at_most_a_fifth_of_the_requests_fail_at_a_retry(steps: list[str]) -> None:
    budget = RetryBudget()
    requests = active = running = failed = 0
    for step in steps:
        if step == "request":
            requests, active = requests + 1, active + 1
        elif step == "answer":
            active = max(running, active - 1)
        elif running:
            running -= 1
            if step == "fail":
                budget.spend()
                failed += 1
            budget.end()
        if active > running and budget.allows(requests, active):
            budget.begin()
            running += 1
            assert 5 * running <= max(15, active)
        assert 5 * (failed + running) <= max(15, requests)
