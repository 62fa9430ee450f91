"""Rolling out where nobody at a terminal asks for it: the compose files as they are now, read by who serves."""

from __future__ import annotations

from collections.abc import Collection

from composectl import errors
from composectl.commands.care import Care
from composectl.commands.invocation import Invocation
from composectl.commands.rendering import Means, read_project
from composectl.compose.rendered import balanced_document, render
from composectl.control.orders import Rollout


class Renewing:
    """`means` and `invocation` are those that the running composectl was started with, environment included."""

    def __init__(self, invocation: Invocation, means: Means, balanced: Collection[str]) -> None:
        self._invocation = invocation
        self._means = means
        self._balanced = balanced

    async def order(self, service: str) -> Rollout:
        """The rollout of a service. Raises ComposectlError."""
        if service not in self._balanced:
            raise errors.not_balanced(service, self._balanced)
        project = await read_project(self._means, self._invocation, quiet=True)
        if service not in project.services:
            raise errors.unknown_service(service, project.services)
        care = Care()
        rendered = render(balanced_document(project, self._balanced)).decode()
        return Rollout((service,), rendered, care.parallel, care.pause_seconds, care.ready_seconds)
