"""What we answer ourselves."""

from __future__ import annotations

import pytest

from composectl.proxy.error_pages import error_page

NOW = b"Mon, 23 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize("status", [400, 405, 408, 414, 431, 501, 502, 503, 505])
def test_a32_a_page_is_short_plain_and_of_its_stated_length(status: int) -> None:
    head, _, body = error_page(status, "some-reason", date=NOW, close=True).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0].startswith(b"HTTP/1.1 %d " % status)
    assert b"Content-Type: text/plain; charset=utf-8" in lines
    assert b"Content-Length: %d" % len(body) in lines
    assert b"X-Composectl-Error: some-reason" in lines
    assert b"Connection: close" in lines
    assert 0 < len(body) <= 200


def test_only_a_client_that_may_come_back_soon_gets_a_time() -> None:
    assert b"\r\nRetry-After: 1\r\n" in error_page(503, "no-backend-ready", date=NOW, close=False)
    assert b"Retry-After" not in error_page(502, "backend-hung-up", date=NOW, close=False)


def test_the_response_to_head_states_the_length_of_the_body() -> None:
    whole, head = (error_page(502, "x", date=NOW, close=False, body=body) for body in (True, False))
    assert head.endswith(b"\r\n\r\n")
    assert whole.startswith(head)
    assert b"Connection" not in head
