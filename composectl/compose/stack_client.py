"""`docker stack`, as it is driven: it deploys a stack, and removes it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from composectl import errors
from composectl.compose.argv import StackOptions
from composectl.compose.binary import ask
from composectl.compose.process import run_compose, run_quietly
from composectl.compose.stack import Stack

_TIMEOUT = 10.0  # seconds
_DETACH = "--detach=true"  # the default is to change: https://docs.docker.com/reference/cli/docker/stack/deploy/


@dataclass(frozen=True, slots=True)
class StackClient:
    """`environ` is that of the endpoint; the command runs in `directory`.

    `is_old`: it knows neither `--detach` nor the newest format of a stack file.
    """

    environ: Mapping[str, str]
    directory: Path
    options: StackOptions
    is_old: bool = False

    @classmethod
    async def find(cls, environ: Mapping[str, str], directory: Path, options: StackOptions) -> Self:
        """Raises ComposectlError where there is no `docker stack`."""
        command = ("docker", "stack", "deploy", "--help")
        (help_text,) = await asyncio.to_thread(ask, [command], environ, _TIMEOUT)
        if "--compose-file" not in help_text:
            raise errors.ComposectlError(
                "cannot run `docker stack deploy`", "`up --swarm` needs Docker's own command: install `docker`"
            )
        return cls(environ, directory, options, is_old="--detach" not in help_text)

    async def deploy(self, name: str, stack: Stack, *, is_whole: bool = False, quietly: bool = False) -> None:
        """Deploy the stack without waiting for its tasks. Raises `compose_failed`.

        `is_whole`: what `stack` lacks may be pruned. Docker's words are on stderr, or `quietly` in the error.
        """
        detach = () if self.is_old else (_DETACH,)
        words = ("deploy", *detach, *self.options.argv(is_whole=is_whole), "-c", "-", name)
        document = stack.render(is_old=self.is_old)
        if quietly:
            await run_quietly(("docker", "stack", *words), self.environ, document, self.directory)
        else:
            await self._run(*words, stdin=document)

    async def remove(self, name: str) -> None:
        """Remove the stack, Docker's words on stderr. Raises `compose_failed`."""
        await self._run("rm", name)

    # Private

    async def _run(self, *words: str, stdin: bytes | None = None) -> None:
        argv = ("docker", "stack", *words)
        if exit_code := await run_compose(argv, self.environ, stdin, self.directory):
            raise errors.compose_failed(f"docker stack {words[0]}", exit_code)
