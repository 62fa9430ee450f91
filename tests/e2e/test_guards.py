"""The guards of a real project: what its compose file says is what clients meet, and a bad file touches nothing."""

from __future__ import annotations

from base64 import b64encode

import bcrypt
import pytest

from tests.support.cli_error import cli_error_of
from tests.support.compose_project import ComposeProject
from tests.support.http_client import ask

pytestmark = pytest.mark.parametrize("compose", ["v2"], indirect=True)

GUARDED = """\
services:
  echo:
    image: {image}
    x-balance:
      replicas: 2
      basic_auth: users.htpasswd
      deny_ip: 192.0.2.0/24
      max_in_flight_per_client: 50
      request_header: {{Authorization: "", X-Env: production}}
    ports:
      - "{port}:9090"
"""


@pytest.mark.one_process
def test_the_users_of_a_file_beside_the_compose_file_are_answered(project: ComposeProject) -> None:
    project.write(GUARDED)
    users = project.file.parent / "users.htpasswd"
    users.write_bytes(b"ann:" + bcrypt.hashpw(b"hunter2", bcrypt.gensalt(4)) + b"\n")
    project.run("up", "-d")
    assert ask(project.port).status == 401
    right = ask(project.port, Authorization=f"Basic {b64encode(b'ann:hunter2').decode()}")
    assert right.is_whole
    assert "\nHTTP_X_ENV=production\n" in right.text or "\nX_ENV=production\n" in right.text
    assert "AUTHORIZATION" not in right.text
    assert project.status()["totals"]["bad_requests"] == {"unauthorized": 1}
    assert "1 refused (1 unauthorized)" in project.shows("status")


def test_a_file_that_is_not_there_is_refused_and_nothing_is_touched(project: ComposeProject) -> None:
    project.write(GUARDED)
    error = cli_error_of(project, "up", "-d")
    assert error.exit_code == 2
    assert error.message.endswith("/users.htpasswd cannot be read: No such file or directory")
    assert project.containers() == []
