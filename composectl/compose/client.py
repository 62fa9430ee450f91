"""A rendered project in the hands of its Compose: up, converge, stop, kill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from composectl import errors
from composectl.compose.argv import UpArguments, build_argv, converge_argv, kill_argv, stop_argv, up_argv
from composectl.compose.binary import Compose
from composectl.compose.options import Options
from composectl.compose.process import run_compose, run_quietly


@dataclass(frozen=True, slots=True)
class ComposeProject:
    """`rendered` is what Compose reads instead of the user's files; it is never written to disk."""

    compose: Compose
    options: Options
    environ: Mapping[str, str]
    project: str
    directory: Path
    rendered: bytes

    async def up(self, arguments: UpArguments, scales: Mapping[str, int]) -> None:
        """Bring the project up, with Compose's own progress on stderr. Raises `compose_failed`."""
        argv = up_argv(self.compose, self.options, self.project, self.directory, arguments, scales)
        exit_code = await run_compose(argv, self.environ, self.rendered, self.directory)
        if exit_code:
            raise errors.compose_failed(f"{self.compose} up", exit_code)

    async def converge(self, service: str, scale: int) -> None:
        """Reach `scale` replicas of one service, in silence. Raises `compose_failed` in Compose's own words."""
        argv = converge_argv(self.compose, self.options, self.project, self.directory, service, scale)
        await run_quietly(argv, self.environ, self.rendered, self.directory)

    async def up_others(self, options: Sequence[str], services: Sequence[str]) -> None:
        """Bring up these services and no others, with Compose's own progress on stderr. Raises `compose_failed`."""
        await self.up(UpArguments(("--no-deps", *options), tuple(services)), {})

    async def build(self, services: Sequence[str]) -> None:
        """Build the images of these services, with Compose's own progress on stderr. Raises `compose_failed`."""
        argv = build_argv(self.compose, self.options, self.project, self.directory, services)
        exit_code = await run_compose(argv, self.environ, self.rendered, self.directory)
        if exit_code:
            raise errors.compose_failed(f"{self.compose} build", exit_code)

    async def stop(self, services: Sequence[str]) -> None:
        """Stop these services, or all of the project where none is named."""
        argv = stop_argv(self.compose, self.options, self.project, self.directory, services)
        await run_compose(argv, self.environ, self.rendered, self.directory, grace=1.0)

    async def kill(self, services: Sequence[str]) -> None:
        """Kill these services, or all of the project where none is named."""
        argv = kill_argv(self.compose, self.options, self.project, self.directory, services)
        await run_compose(argv, self.environ, self.rendered, self.directory)
