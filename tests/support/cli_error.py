"""What composectl says where it cannot do what was asked."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.support.compose_project import Finished, Project

_FORM = re.compile(r"error: (?P<message>[^\n]+)\n\nhint: (?P<hint>[^\n]+)\n")


@dataclass(frozen=True)
class Refusal:
    """One line, a hint, and the exit code."""

    exit_code: int
    message: str
    hint: str


def refusal(project: Project, *words: str, **how: object) -> Refusal:
    """How `composectl WORDS` is refused; nothing may have been touched, and nothing left behind."""
    before = project.file.read_bytes()
    told = refusal_told_in(project.composectl(*words, **how))
    assert project.litter() == []
    assert project.file.read_bytes() == before
    return told


def refusal_told_in(done: Finished) -> Refusal:
    """The refusal that is all that a finished composectl said."""
    said = _FORM.fullmatch(done.stderr)
    assert said, f"not an error and a hint, but ({done.returncode}):\n{done.stdout}\n{done.stderr}"
    assert done.stdout == ""
    assert done.returncode != 0
    return Refusal(done.returncode, said["message"], said["hint"])
