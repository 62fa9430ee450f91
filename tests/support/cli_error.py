"""What composectl says where it cannot do what was asked."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.support.compose_project import ComposeProject
from tests.support.project import Finished

_FORM = re.compile(r"error: (?P<message>[^\n]+)\n\nhint: (?P<hint>[^\n]+)\n")


@dataclass(frozen=True)
class CliError:
    """One line, a hint, and the exit code."""

    exit_code: int
    message: str
    hint: str


def cli_error_of(project: ComposeProject, *words: str, **how: object) -> CliError:
    """How `composectl WORDS` is refused; nothing may have been touched, and nothing left behind."""
    before = project.file.read_bytes()
    error = cli_error_in(project.composectl(*words, **how))
    assert project.leftovers() == []
    assert project.file.read_bytes() == before
    return error


def cli_error_in(done: Finished) -> CliError:
    """The refusal that is all that a finished composectl said."""
    said = _FORM.fullmatch(done.stderr)
    assert said, f"not an error and a hint, but ({done.returncode}):\n{done.stdout}\n{done.stderr}"
    assert done.stdout == ""
    assert done.returncode != 0
    return CliError(done.returncode, said["message"], said["hint"])
