"""Compose as it is driven: it loads the user's project, and brings up, scales and stops the one that is balanced."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from composectl import errors
from composectl.compose.argv import UpArguments, converge_words, rendered_argv, up_words
from composectl.compose.binary import Compose
from composectl.compose.files import check_input
from composectl.compose.options import Invocation, Options, files_of_v1, name_of_v1, project_directory_of
from composectl.compose.override import render, without_published_ports
from composectl.compose.process import GRACE, exec_compose, held_file, render_config, run_compose, run_quietly
from composectl.compose.project import Project, parse_project, read_x_balance, services_with_x_balance


@dataclass(frozen=True, slots=True)
class LoadedProject:
    """A project, and what Compose warned of; `lost`: the services whose `x-balance` stands in a file alone."""

    client: ComposeClient
    project: Project
    warnings: str
    lost: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ComposeClient:
    """A Compose for one invocation, and the environment in which it talks to the engine."""

    compose: Compose
    invocation: Invocation
    environ: Mapping[str, str]

    async def load(self, *, quiet: bool = False) -> Project:
        """The project as `config` renders it; its warnings go to stderr unless `quiet`. Raises ComposectlError."""
        options, cwd = self.invocation.options, self.invocation.cwd
        check_input(options, self.environ, cwd)
        printed, _, warnings = await render_config(self.compose, options, self.environ, cwd)
        if not quiet:
            sys.stderr.write(warnings)
        return parse_project(printed, in_yaml=self.compose.is_v1)

    async def load_with_x_balance(self) -> LoadedProject:
        """The project and what stands under `x-balance` in it. Raises ComposectlError."""
        options, cwd = self.invocation.options, self.invocation.cwd
        printed, in_yaml, warnings = await render_config(self.compose, options, self.environ, cwd, with_yaml=True)
        project = replace(parse_project(printed, in_yaml=self.compose.is_v1), x_balance=read_x_balance(in_yaml))
        lost: set[str] = set()
        if self.compose.is_v1:  # it drops `x-` keys where it merges what several files, or `extends`, say of a service
            lost = services_with_x_balance(files_of_v1(options, self.environ, cwd)) - project.x_balance.keys()
        return LoadedProject(self, project, warnings, frozenset(lost))

    def name_of(self, project: Project) -> str:
        """The project's name. Raises ComposectlError."""
        return project.name or name_of_v1(self.invocation.options, self.environ, self.invocation.cwd)

    def balanced_project(self, project: Project, services: Collection[str]) -> ComposeProject:
        """The project with the TCP ports of `services` left to the proxy. Raises ComposectlError."""
        options, cwd = self.invocation.options, self.invocation.cwd
        return ComposeProject(
            compose=self.compose,
            options=options.absolute(cwd),
            environ=self.environ,
            name=self.name_of(project),
            directory=project_directory_of(options, self.environ, cwd),
            rendered=render(without_published_ports(project, services)),
        )


@dataclass(frozen=True, slots=True)
class ComposeProject:
    """A balanced project; `rendered` is what Compose reads instead of the user's files, never written to disk."""

    compose: Compose
    options: Options
    environ: Mapping[str, str]
    name: str
    directory: Path
    rendered: bytes

    async def up(self, arguments: UpArguments, scales: Mapping[str, int]) -> None:
        """Bring the project up, with Compose's own progress on stderr. Raises `compose_failed`."""
        await self._run(*up_words(arguments, scales), check=True)

    async def build(self, services: Sequence[str]) -> None:
        """Build the images of these services, with Compose's own progress on stderr. Raises `compose_failed`."""
        await self._run("build", *services, check=True)

    async def converge(self, service: str, scale: int) -> None:
        """Reach `scale` replicas of one service, in silence. Raises `compose_failed` in Compose's own words."""
        argv = (*self._argv, *converge_words(service, scale))
        await run_quietly(argv, self.environ, self.rendered, self.directory)

    async def stop(self, services: Sequence[str], *, kill: bool = False) -> None:
        """Stop or kill these services, or all of the project where none is named."""
        await self._run("kill" if kill else "stop", *services, grace=GRACE if kill else 1.0)

    def become(self, words: Sequence[str]) -> NoReturn:
        """Become Compose, which carries out `words` on the rendered project, with the stdin of this process."""
        file = held_file(self.rendered)
        exec_compose(
            (*rendered_argv(self.compose, self.options, self.name, self.directory, file), *words), self.environ
        )

    # Private

    @property
    def _argv(self) -> tuple[str, ...]:
        return rendered_argv(self.compose, self.options, self.name, self.directory)

    async def _run(self, *words: str, grace: float = GRACE, check: bool = False) -> None:
        exit_code = await run_compose((*self._argv, *words), self.environ, self.rendered, self.directory, grace)
        if check and exit_code:
            raise errors.compose_failed(f"{self.compose} {words[0]}", exit_code)
