"""The logs of replicas, followed over the control socket while these come and go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from composectl import errors
from composectl.control.client import running_daemons
from composectl.control.commands import LogLine, LogsRequest
from tests.support.compose_project import PRINTS, ComposeProject
from tests.support.wait import wait_until

BESIDE = (
    PRINTS
    + """\
  beside:
    image: {image}
    command: ["sh", "-c", "echo beside; trap 'exit 0' TERM; sleep 600 & wait"]
"""
)
STEERING = "printf '\\\\033[2J\\\\033]0;owned\\\\007red \\\\033[31malert\\\\n'"


@contextmanager
def followed(project: ComposeProject, request: LogsRequest) -> Iterator[list[LogLine]]:
    """The lines as they come."""
    watch, lines = running_daemons(project.runtime / "composectl")[0].logs(request), list[LogLine]()

    def follow() -> None:
        try:
            for line in watch:
                lines.append(line)
        except errors.HasEnded:
            return

    thread = Thread(target=follow)
    thread.start()
    try:
        yield lines
    finally:
        watch.close()
        thread.join(60)


@pytest.mark.slow
def test_logs_go_on_through_scaling_and_a_rollout(project: ComposeProject) -> None:
    project.write(BESIDE, words="first")
    project.run("up", "--balance", "echo=2", "-d")
    assert project.has_ready(2)
    with (
        followed(project, LogsRequest("echo")) as of_all,
        followed(project, LogsRequest("echo", 3)) as of_third,
        followed(project, LogsRequest()) as of_project,
    ):
        assert wait_until(lambda: sorted(printed(of_all)) == [(1, "first"), (2, "first")]), of_all
        project.run("scale", "echo=3")
        assert wait_until(lambda: (3, "first") in printed(of_all))
        assert wait_until(lambda: printed(of_third) == [(3, "first")])

        project.write(BESIDE, words="second")
        project.run("rollout", "echo")
        new = {backend["number"] for backend in project.status()["backends"]}
        assert len(new) == 3
        assert wait_until(lambda: {number for number, text in printed(of_all) if text == "second"} >= new)
        assert wait_until(lambda: ("beside", "beside") in {(line.service, line.text) for line in of_project})
    assert {line.service for line in of_all} == {"echo"}
    assert len(printed(of_all)) == len({(line.number, line.at) for line in of_all})


def test_what_is_printed_cannot_steer_a_terminal(project: ComposeProject) -> None:
    project.write(BESIDE, words=f"start; {STEERING}")
    project.run("up", "--balance", "echo=1", "-d")
    with followed(project, LogsRequest("echo")) as lines:
        assert wait_until(lambda: [line.text for line in lines] == ["start", "red alert"]), lines


def printed(lines: list[LogLine]) -> list[tuple[int, str]]:
    return [(line.number, line.text) for line in lines]
