"""Compose's own global options, as they were given to composectl, and the directory that they lead to."""

from __future__ import annotations

import logging
import os
import re
from collections import ChainMap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path

from composectl import errors

# Of both majors; each looks for all of its names in one directory before it goes to the parent.
_DEFAULT_FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
_OVERRIDES = tuple(name.replace(".y", ".override.y") for name in _DEFAULT_FILES)
# The first of each kind that is there
_FILES_OF_V1 = tuple(
    tuple(f"{name}{kind}.{ending}" for name in ("docker-compose", "compose") for ending in ("yml", "yaml"))
    for kind in ("", ".override")
)
_MAX_DOTENV = 1_000_000  # bytes
_MAX_RESOLVED = 10_000_000  # characters of all variables
_DROPPED_BY_V1 = re.compile(r"[^-_a-z0-9]")


@dataclass(frozen=True, slots=True)
class Options:
    """Compose's global options; an empty one was not given. `others` are passed on as they were typed."""

    files: tuple[str, ...] = ()
    project_name: str = ""
    project_directory: str = ""
    env_files: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    def absolute(self, cwd: Path) -> Options:
        """The same options for a Compose that runs elsewhere than in `cwd`, where they were typed."""
        return replace(
            self,
            files=tuple(file if file == "-" else _absolute(file, cwd) for file in self.files),
            project_directory=self.project_directory and _absolute(self.project_directory, cwd),
            env_files=tuple(_absolute(file, cwd) for file in self.env_files),
        )

    def argv(self) -> tuple[str, ...]:
        """All of them, as Compose takes them."""
        return (
            *_each("--file", self.files),
            *_each("--project-name", filter(None, (self.project_name,))),
            *_each("--project-directory", filter(None, (self.project_directory,))),
            *self.argv_when_rendered(),
        )

    def argv_when_rendered(self) -> tuple[str, ...]:
        """Those that still matter to a project that was rendered with all of them."""
        return (*_each("--env-file", self.env_files), *_each("--profile", self.profiles), *self.others)


@dataclass(frozen=True, slots=True)
class Invocation:
    """What stands before the command: Compose's global options, the engine's (`-H`, `-c`); and the surroundings."""

    options: Options
    host: str | None
    context: str | None
    environ: Mapping[str, str]
    cwd: Path


def project_directory_of(options: Options, environ: Mapping[str, str], cwd: Path) -> Path:
    """The absolute directory that Compose takes as the project's; `cwd` where nothing tells."""
    return known_directory_of(options, environ, cwd) or cwd


def known_directory_of(options: Options, environ: Mapping[str, str], cwd: Path) -> Path | None:
    """The project's absolute directory where an option, a variable or a compose file tells it."""
    return (
        _named_directory(options, environ, cwd)
        or _named_directory(options, settings(options, environ, cwd), cwd)
        or _found_directory(cwd)
    )


def known_files(options: Options, environ: Mapping[str, str], cwd: Path) -> tuple[Path, ...]:
    """The compose files that are there: those that an option or a variable names, else those with a usual name."""
    files, folder = options.files or _files(settings(options, environ, cwd)), cwd
    if not files and (found := _found_directory(cwd)):
        files, folder = (next(name for name in _DEFAULT_FILES if (found / name).is_file()), *_OVERRIDES), found
    return tuple(folder / file for file in files if (folder / file).is_file())


def settings(options: Options, environ: Mapping[str, str], cwd: Path) -> dict[str, str]:
    """The variables by which Compose itself is set: those of the env files, and over them the process's own."""
    variables: dict[str, str] = {}
    usual = (_named_directory(options, environ, cwd) or cwd) / ".env"
    for file in options.env_files or (usual,):
        variables |= read_dotenv(cwd / file)
    return variables | dict(environ)


def active_profiles(options: Options, environ: Mapping[str, str], cwd: Path) -> tuple[str, ...]:
    """The profiles that are enabled."""
    profiles = settings(options, environ, cwd).get("COMPOSE_PROFILES", "")
    return (*options.profiles, *filter(None, profiles.split(",")))


def files_of_v1(options: Options, environ: Mapping[str, str], cwd: Path) -> tuple[Path, ...]:
    """The compose files that docker-compose 1 reads; standard input is none."""
    named = options.files or _files(settings(options, environ, cwd))
    if named:
        return tuple(Path(_absolute(file, cwd)) for file in named if file != "-")
    folder = _found_directory(cwd) or cwd
    found = (next((folder / name for name in names if (folder / name).is_file()), None) for names in _FILES_OF_V1)
    return tuple(file for file in found if file)


def read_dotenv(path: Path) -> dict[str, str]:
    """The variables in `path`, `${NAME}` in them replaced, as Compose reads them; none where it cannot be read.

    A clone may hold a link to a device or to a pipe, which would never end, in place of the file.
    """
    try:
        if not path.is_file() or path.stat().st_size > _MAX_DOTENV:
            return {}
        text = path.read_text("utf-8-sig", errors="replace")
    except OSError:
        return {}
    import dotenv.main  # takes 10 ms, and is needed only for an env file

    logging.getLogger("dotenv.main").disabled = True  # Compose itself complains of a line that it cannot read
    return _resolved(dotenv.main.DotEnv(None, StringIO(text), interpolate=False).parse())


def name_of_v1(options: Options, environ: Mapping[str, str], cwd: Path) -> str:
    """The project's name, which docker-compose 1.29 derives and does not print.

    That is `-p`, else COMPOSE_PROJECT_NAME, else the project's directory; lower-case, and without most characters.
    Raises ComposectlError where no character is left.
    """
    named = options.project_name or settings(options, environ, cwd).get("COMPOSE_PROJECT_NAME")
    called = named or project_directory_of(options, environ, cwd).name or "default"
    name = _DROPPED_BY_V1.sub("", called.lower())
    if not name:
        raise errors.ComposectlError(
            f"invalid project name `{called}`: docker-compose 1 keeps lower-case letters, digits, `-` and `_`",
            "name the project with `-p NAME`",
        )
    return name


# Private


def _each(option: str, values: Iterable[str]) -> tuple[str, ...]:
    return tuple(word for value in values for word in (option, value))


def _resolved(lines: Iterable[tuple[str, str | None]]) -> dict[str, str]:
    """The variables with `${NAME}` replaced, up to the line at which they become too large: each may double another."""
    from dotenv.variables import parse_variables

    variables: dict[str, str] = {}
    names, left = ChainMap[str, str](variables, dict(os.environ)), _MAX_RESOLVED
    for name, value in lines:
        parts = []
        for atom in parse_variables(value or ""):
            parts.append(atom.resolve(names))
            left -= len(parts[-1])
            if left < 0:
                return variables
        variables[name] = "".join(parts)
        if value is None:  # `NAME` alone
            del variables[name]
    return variables


def _absolute(path: str, cwd: Path) -> str:
    return os.path.abspath(cwd / path)


def _named_directory(options: Options, variables: Mapping[str, str], cwd: Path) -> Path | None:
    if options.project_directory:
        return Path(_absolute(options.project_directory, cwd))
    files = options.files or _files(variables)
    if not files:
        return None
    return cwd if files[0] == "-" else Path(_absolute(files[0], cwd)).parent


def _files(variables: Mapping[str, str]) -> tuple[str, ...]:
    files = variables.get("COMPOSE_FILE", "")
    return tuple(files.split(variables.get("COMPOSE_PATH_SEPARATOR") or os.pathsep)) if files else ()


def _found_directory(cwd: Path) -> Path | None:
    directories = (cwd, *cwd.parents)
    return next((path for path in directories if any((path / name).is_file() for name in _DEFAULT_FILES)), None)
