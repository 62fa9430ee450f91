"""What a running composectl says of itself, so that other terminals find the one they mean."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class About:
    """`directory` is the project's, as an absolute path; `listeners` are `host:port`.

    `published_at`: the address at which its backends publish ports for it; "" where they are reached at their own.
    `metrics`: the URL at which they are scraped; "" where there is none but that of the control socket.
    `dashboard`: the URL of its page for browsers; "" where there is none.

    A proxy over fixed backends has no directory, and its own name as `project`.
    """

    project: str
    pid: int
    directory: str
    listeners: tuple[str, ...]
    published_at: str = ""
    metrics: str = ""
    dashboard: str = ""

    @property
    def has_project(self) -> bool:
        """Whether it balances a project of Compose."""
        return bool(self.directory)

    @property
    def title(self) -> str:
        """What it is called in a sentence."""
        return f"{'project' if self.has_project else 'proxy'} `{self.project}`"
