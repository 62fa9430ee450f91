"""h2load, in its HTTP/1.1: not one request of many thousand fails."""

from __future__ import annotations

import re

import pytest

from tests.external.conftest import said_by

pytestmark = pytest.mark.serial

REQUESTS = 10_000


@pytest.mark.parametrize("together", [1, 4], ids=["one after the other", "pipelined"])
async def test_f9_no_request_fails(port: int, together: int) -> None:
    url = f"http://127.0.0.1:{port}/"
    said = await said_by("h2load", "--h1", "-n", str(REQUESTS), "-c", "50", "-m", str(together), url)
    assert f"{REQUESTS} done, {REQUESTS} succeeded, 0 failed, 0 errored, 0 timeout" in said
    assert f"status codes: {REQUESTS} 2xx, 0 3xx, 0 4xx, 0 5xx" in said


async def test_f8_no_request_fails_on_a_connection_of_its_own(port: int) -> None:
    said = await said_by("h2load", "--h1", "-n", "500", "-c", "500", "-r", "250", f"http://127.0.0.1:{port}/")
    assert re.search(r"500 succeeded, 0 failed, 0 errored, 0 timeout", said), said


async def test_e1_large_answers_are_whole(port: int) -> None:
    said = await said_by("h2load", "--h1", "-n", "300", "-c", "20", f"http://127.0.0.1:{port}/large")
    assert "300 succeeded, 0 failed, 0 errored, 0 timeout" in said
    assert "(300000000) data" in said
