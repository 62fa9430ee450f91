"""`docker stack`, as it is driven: it deploys a stack, and removes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from composectl import errors
from composectl.compose.process import run_compose
from composectl.compose.stack import Stack
from composectl.compose.stack_options import StackOptions


@dataclass(frozen=True, slots=True)
class StackClient:
    """`environ` is that of the endpoint, `name` that of the stack, `directory` that of the project."""

    environ: Mapping[str, str]
    name: str
    directory: Path
    options: StackOptions

    async def deploy(self, stack: Stack) -> None:
        """Deploy the stack without waiting for its tasks, Docker's words on stderr. Raises `compose_failed`."""
        argv = ("docker", "stack", "deploy", "--detach=true", *self.options.argv(), "-c", "-", self.name)
        exit_code = await run_compose(argv, self.environ, stack.rendered, self.directory)
        if exit_code:
            raise errors.compose_failed("docker stack deploy", exit_code)

    async def remove(self) -> None:
        """Remove the stack, Docker's words on stderr. Raises `compose_failed`."""
        argv = ("docker", "stack", "rm", self.name)
        if exit_code := await run_compose(argv, self.environ, None, self.directory):
            raise errors.compose_failed("docker stack rm", exit_code)
