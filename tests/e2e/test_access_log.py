"""The access log of `up`: which replica had which request; refused, where it cannot be, before anything is touched."""

from __future__ import annotations

import json

import pytest

from tests.support.cli_error import cli_error_of
from tests.support.compose_project import ComposeProject
from tests.support.http_client import ask

pytestmark = pytest.mark.parametrize("compose", ["v2"], indirect=True)


def test_each_line_has_the_replica_and_the_request_id(project: ComposeProject) -> None:
    words = ("--access-log", "access.log", "--access-log-format", "json")
    project.run("up", "--balance", "echo=2", *words, "-d")
    assert project.has_ready(2)
    answers = [ask(project.port) for _ in range(4)]
    project.run("down")
    log = project.file.parent / "access.log"
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    log.unlink()
    # Each worker writes its own lines twenty times a second.
    asked = [answer.headers["X-Request-ID"] for answer in answers]
    entries.sort(key=lambda entry: asked.index(entry["request_id"]))
    assert [entry["address"] for entry in entries] == [answer.backend for answer in answers]
    assert [entry["request_id"] for entry in entries] == asked
    assert {entry["backend"] for entry in entries} == {f"{project.name}-echo-1", f"{project.name}-echo-2"}
    assert {(entry["service"], entry["status"], entry["error"]) for entry in entries} == {("echo", 200, None)}
    assert all(
        f"\nX_REQUEST_ID={entry['request_id']}\n" in answer.text for entry, answer in zip(entries, answers, strict=True)
    )


@pytest.mark.parametrize(
    ("words", "culprit"),
    [
        (("--access-log", "/"), "/: Is a directory"),
        (("--access-log", "nowhere/log"), "nowhere/log: No such file or directory"),
        (("--access-log", "-", "-d"), "`--access-log -`"),
        (("--access-log", "log", "--access-log-format", "jsno"), "`jsno`"),
        (("--access-log-format", "json"), "`--access-log-format`"),
    ],
)
def test_a_log_that_cannot_be(project: ComposeProject, words: tuple[str, ...], culprit: str) -> None:
    error = cli_error_of(project, "up", "--balance", "echo=2", *words)
    assert error.exit_code == 2
    assert culprit in error.message
