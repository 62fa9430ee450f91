"""A shape of a project: what its folder holds, what is typed in it, and what must be true then."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.shaped_project import ShapedProject

V1, V2_26, NEWEST = EVERY = ("1.29.2", "2.26", "newest")

Assertion = Callable[["ShapedProject"], None]
"""Asserts what its row says."""


@dataclass(frozen=True, eq=False)
class Shape:
    """`typed`, behind the options `before`, in a copy of `folder`, brings up so many `replicas` of each service.

    `directory`: the name of the project's directory; `called`: what whose Compose calls the project.
    `on_stdin`: whether the compose file is given there. `composes`: those in which it can be, and `refused`: how those
    of them that do not know it say so. `is_modern`: no old engine can do it. `is_usual`: it is worth a run in each
    Compose each time.
    """

    folder: str
    rows: Mapping[str, Assertion]
    typed: str = "up --balance echo=2 -d"
    before: str = ""
    replicas: Mapping[str, int] = field(default_factory=lambda: {"echo": 2})
    directory: str = "<project>"
    called: Mapping[str, str] = field(default_factory=dict)
    on_stdin: bool = False
    composes: Collection[str] = EVERY
    refused: Mapping[str, str] = field(default_factory=dict)
    is_modern: bool = False
    is_usual: bool = False


@dataclass(frozen=True)
class Impossible:
    """What is refused when `typed` in a copy of `folder`: the words of the message, and of the hint."""

    row: str
    typed: str
    message: str
    hint: str
    folder: str = "impossible"
