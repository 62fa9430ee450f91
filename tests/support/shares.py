"""How clients are shared out over two replicas."""

from __future__ import annotations

import os
from collections.abc import Collection

from tests.support.command_line import TESTED_WORKERS
from tests.support.compose_project import ComposeProject


def are_even(shares: Collection[int], clients: int) -> bool:
    """Whether each worker has shared its own clients out over two replicas, and all are there: one has halves."""
    workers = int(os.environ.get(TESTED_WORKERS) or 1)
    return len(shares) == 2 and sum(shares) == clients and max(shares) - min(shares) <= workers


def connections_of(project: ComposeProject, service: str = "echo") -> list[int]:
    """The open connections at each replica."""
    return [backend["connections"] for backend in project.status(service)["backends"]]
