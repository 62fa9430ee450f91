"""`composectl doctor` on a machine without an engine, and without Compose."""

from __future__ import annotations

import json
import re
import signal
import subprocess

import pytest

from tests.support.command_line import command_line
from tests.support.proxy_process import Finished, Workspace

pytestmark = pytest.mark.one_process

NO_ENGINE = "unix:///nonexistent/docker.sock"
NOT_KNOWN = """\
✗ backends    not known
              hint: fix the problems above first
✗ swarm       not known
              hint: fix the problems above first
"""


@pytest.fixture
def has_compose(place: Workspace) -> dict[str, str]:
    compose = place.folder / "compose"
    compose.write_text("#!/bin/sh\necho 2.40.3\n")
    compose.chmod(0o700)
    return {"COMPOSECTL_COMPOSE": str(compose)}


def doctor(place: Workspace, *words: str, before: tuple[str, ...] = (), **changes: str) -> Finished:
    return subprocess.run(
        command_line(*before, "doctor", *words),
        cwd=place.folder,
        env=place.environment(PYTHONIOENCODING="utf-8", **changes),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_without_an_engine(place: Workspace, has_compose: dict[str, str]) -> None:
    found = doctor(place, DOCKER_HOST=NO_ENGINE, **has_compose)
    assert (found.returncode, found.stderr) == (1, "")
    assert found.stdout.startswith(
        f"""\
✓ compose     `{has_compose["COMPOSECTL_COMPOSE"]}` 2.40.3
✓ endpoint    {NO_ENGINE}, named by DOCKER_HOST
✗ engine      cannot connect to the Docker Engine at {NO_ENGINE}
              hint: is it running? try `docker info`
{NOT_KNOWN}✓ folder      {place.runtime}/composectl, for the sockets of running composectls
"""
    )


@pytest.mark.parametrize("words", [(), ("--json",)], ids=["for people", "for machines"])
def test_a_password_in_the_address_of_the_engine_is_not_shown(
    place: Workspace, has_compose: dict[str, str], words: tuple[str, ...]
) -> None:
    found = doctor(place, *words, DOCKER_HOST="tcp://me:hunter2@127.0.0.1:1", **has_compose)
    assert found.returncode == 1
    assert "tcp://***@127.0.0.1:1" in found.stdout
    assert "hunter2" not in found.stdout + found.stderr


def test_without_compose(place: Workspace) -> None:
    found = doctor(place, DOCKER_HOST=NO_ENGINE)
    assert found.returncode == 1
    assert found.stdout.startswith(
        """\
✗ compose     neither `docker compose` nor `docker-compose` is installed
              hint: install Docker's Compose plugin, or name a Compose in COMPOSECTL_COMPOSE
"""
    )


def test_a_context_that_is_mistyped(place: Workspace, has_compose: dict[str, str]) -> None:
    found = doctor(place, before=("-c", "defualt"), **has_compose)
    assert found.returncode == 1
    assert (
        """\
✗ endpoint    no Docker context `defualt`
              hint: did you mean `default`?
✗ engine      not known
              hint: fix the problems above first
"""
        + NOT_KNOWN
        in found.stdout
    )


def test_for_machines(place: Workspace, has_compose: dict[str, str]) -> None:
    found = doctor(place, "--json", DOCKER_HOST=NO_ENGINE, **has_compose)
    report = json.loads(found.stdout)
    assert (found.returncode, report["version"], report["is_well"]) == (1, 1, False)
    checks = {check["what"]: check for check in report["checks"]}
    ours = ["folder", "ports", "https", "tls", "open files"]
    assert list(checks) == ["compose", "endpoint", "engine", "backends", "swarm", *ours]
    assert checks["engine"]["is_well"] is False
    assert checks["compose"] == {
        "what": "compose",
        "is_well": True,
        "found": f"`{has_compose['COMPOSECTL_COMPOSE']}` 2.40.3",
        "hint": "",
        "is_needed": True,
    }


@pytest.mark.slow
def test_certificates_that_were_made_are_told_with_their_ends(place: Workspace, has_compose: dict[str, str]) -> None:
    folder = place.state / "composectl" / "certificates"
    assert "✓ tls         no certificate is made yet\n" in doctor(place, **has_compose).stdout
    place.proxy(place.backend(), words=("--tls", "internal")).ends_by(signal.SIGINT)
    assert re.search(
        r"✓ tls         .* until 20\d\d-.*; localhost and .* until 20\d\d-", doctor(place, **has_compose).stdout
    )
    (folder / "challenge-shop.test.pem").write_text("of a run that was killed")
    assert "challenge" not in doctor(place, **has_compose).stdout
    (folder / "authority.pem").write_text("nonsense")
    found = doctor(place, DOCKER_HOST=NO_ENGINE, **has_compose).stdout
    assert f"✗ tls         {folder}/authority.pem holds no certificate in PEM; localhost " in found


@pytest.mark.parametrize(("limit", "mark"), [(1024, "✗"), (8192, "✓")])
def test_few_open_files_are_told_and_are_no_hindrance(place: Workspace, limit: int, mark: str) -> None:
    limited = ["/bin/sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh", *command_line("doctor")]
    env = place.environment(PYTHONIOENCODING="utf-8", DOCKER_HOST=NO_ENGINE)
    found = subprocess.run(limited, cwd=place.folder, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert f"{mark} open files  {limit:,}, enough for " in found.stdout


def test_a_folder_that_others_may_write_to(place: Workspace, has_compose: dict[str, str]) -> None:
    shared = place.runtime / "composectl"
    shared.mkdir()
    shared.chmod(0o777)
    found = doctor(place, DOCKER_HOST=NO_ENGINE, **has_compose)
    assert f"✗ folder      unsafe folder {shared}: other users can write to it\n" in found.stdout
    shared.rmdir()
