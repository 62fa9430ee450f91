"""What a running composectl says of itself, so that other terminals find the one they mean."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class About:
    """`directory` is the project's, as an absolute path; `listeners` are `host:port`."""

    project: str
    pid: int
    directory: str
    listeners: tuple[str, ...]
