"""A request is sent again only where that is safe."""

import pytest

from composectl.balance.retry import FURTHER_BACKENDS, is_idempotent, may_retry


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"])
def test_idempotent_methods_may_be_repeated(method: bytes) -> None:
    assert is_idempotent(method)
    assert may_retry(method, connected=True, whole=True, tried=1)


@pytest.mark.parametrize("method", [b"POST", b"PATCH", b"LOCK", b"get"])
def test_others_may_not_once_they_can_have_arrived(method: bytes) -> None:
    assert not may_retry(method, connected=True, whole=True, tried=1)
    assert may_retry(method, connected=False, whole=True, tried=1)


def test_nothing_is_sent_again_in_part() -> None:
    assert not may_retry(b"GET", connected=True, whole=False, tried=1)


def test_two_further_backends_are_enough() -> None:
    assert may_retry(b"GET", connected=False, whole=True, tried=FURTHER_BACKENDS)
    assert not may_retry(b"GET", connected=False, whole=True, tried=FURTHER_BACKENDS + 1)
