"""What composectl adds to requests and to responses."""

import pytest

from tests.support.compose_project import ComposeProject
from tests.support.http_client import ask

pytestmark = pytest.mark.parametrize("compose", ["v2"], indirect=True)


def test_a_backend_learns_the_client_and_what_it_asked_for(project: ComposeProject) -> None:
    project.run("up", "--balance", "echo=1", "-d")

    heard = ask(project.port, X_Forwarded_For="203.0.113.7", X_Own="kept").text.splitlines()
    assert f"HOST=localhost:{project.port}" in heard
    assert f"X_FORWARDED_HOST=localhost:{project.port}" in heard
    assert "X_FORWARDED_PROTO=http" in heard
    assert "X_OWN=kept" in heard
    assert any(line in heard for line in ("X_FORWARDED_FOR=127.0.0.1", "X_FORWARDED_FOR=::1"))
    assert any(line.startswith("VIA=1.1 ") for line in heard)


@pytest.mark.slow
def test_status_codes_and_slow_answers_come_through(project: ComposeProject) -> None:
    project.run("up", "--balance", "echo=1", "-d")

    assert ask(project.port, "/?status=418&sleep=0.2").status == 418
    assert ask(project.port, "/no-such-file").status == 404


def test_no_identity_leaves_the_name_of_the_backend_out(project: ComposeProject) -> None:
    project.run("up", "--balance", "echo=1", "-d", "--no-backend-header")

    answer = ask(project.port)
    assert answer.is_whole
    assert answer.backend is None
