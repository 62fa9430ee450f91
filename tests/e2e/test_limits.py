"""The limits of `up`, and Compose's own option of the same name beside them."""

from __future__ import annotations

from http.client import HTTPConnection

import pytest

from tests.support.compose_project import ComposeProject
from tests.support.http_client import TIMEOUT, ask

pytestmark = pytest.mark.parametrize("compose", ["v2"], indirect=True)


def test_a_larger_body_is_refused_and_the_rest_is_served(project: ComposeProject) -> None:
    project.run("up", "--balance", "echo=1", "--max-request-body", "1k", "--response-timeout", "30", "-t", "5", "-d")
    assert ask(project.port).is_whole
    assert status_of_post(project.port, b"x" * 1024) == 200
    assert status_of_post(project.port, b"x" * 1025) == 413


def status_of_post(port: int, body: bytes) -> int:
    connection = HTTPConnection("localhost", port, timeout=TIMEOUT)
    try:
        connection.request("POST", "/", body)
        return connection.getresponse().status
    finally:
        connection.close()
