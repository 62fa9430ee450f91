"""What a running composectl says of itself, so that other terminals find the one they mean."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class About:
    """`directory` is the project's, as an absolute path; `listeners` are `host:port`.

    A proxy over fixed backends has no directory, and its own name as `project`.
    """

    project: str
    pid: int
    directory: str
    listeners: tuple[str, ...]

    @property
    def has_project(self) -> bool:
        """Whether it balances a project of Compose."""
        return bool(self.directory)

    @property
    def title(self) -> str:
        """What it is called in a sentence."""
        return f"{'project' if self.has_project else 'proxy'} `{self.project}`"
