"""What may stand in a place of the command line: services, backends, names, each by what is known without Compose."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

from composectl import errors
from composectl.compose.options import Invocation, known_files

Params = Mapping[str, Any]
COMPOSE = (
    *("build", "commit", "config", "cp", "create", "events", "exec", "export", "images", "kill", "ls"),
    *("pause", "ps", "pull", "push", "restart", "rm", "run", "start", "stats", "stop", "top", "unpause"),
    *("version", "volumes", "wait", "watch"),
)
"""Commands of Compose, which are passed on."""
_LARGEST = 1_000_000
_OFFERED = re.compile(r"[\w.][-\w.]*", re.ASCII)  # what Compose takes for the name of a service or of a profile


def completed(name: str, suffix: str = "") -> Callable[..., list[str]]:
    """For click: the words of the function with this name, each with the suffix; none where they cannot be known.

    A word that is no single printable line, or that reads as an option, is left out.
    """

    def complete(ctx: Any, _: object, incomplete: str) -> list[str]:
        with suppress(Exception):
            words = [word for word in globals()[name](ctx.obj, ctx.params) if _is_word(word)]
            return [f"{word}{suffix}" for word in words if f"{word}{suffix}".startswith(incomplete)]
        return []

    return complete


def one_of(*words: str) -> Callable[..., list[str]]:
    """For click: these words."""
    return lambda _, __, incomplete: [word for word in words if word.startswith(incomplete)]


def services(invocation: Invocation, _: Params) -> Iterable[str]:
    return services_in(known_files(invocation.options, invocation.environ, invocation.cwd))


def balanced(invocation: Invocation, params: Params) -> Iterable[str]:
    """The services of the running composectl; where none runs, those of the compose files."""
    try:
        return [service["service"] for service in _running(invocation)]
    except errors.ComposectlError:
        return services(invocation, params)


def numbers(invocation: Invocation, params: Params) -> Iterable[str]:
    """Of the backends of the named service that serve, or may."""
    return [str(backend["number"]) for backend in _backends(invocation, params) if backend["phase"] != "maintenance"]


def in_maintenance(invocation: Invocation, params: Params) -> Iterable[str]:
    """Of the backends of the named service that were drained by hand."""
    return [str(backend["number"]) for backend in _backends(invocation, params) if backend["phase"] == "maintenance"]


def profiles(invocation: Invocation, _: Params) -> Iterable[str]:
    return profiles_in(known_files(invocation.options, invocation.environ, invocation.cwd))


def projects(invocation: Invocation, _: Params) -> Iterable[str]:
    from composectl.control.client import running_daemons
    from composectl.control.paths import runtime_dir

    return [client.info.project for client in running_daemons(runtime_dir(invocation.environ))]


def contexts(invocation: Invocation, _: Params) -> Iterable[str]:
    from composectl.engine.endpoint import known_contexts

    return ["default", *known_contexts(invocation.environ)]


def services_in(files: Iterable[Path]) -> list[str]:
    """The services that these files have, each once; of a file that cannot be read none.

    Names that Compose refuses are left out: a file from elsewhere must put nothing else into a command line.
    """
    return _names(name for file in files for name in _services(file))


def profiles_in(files: Iterable[Path]) -> list[str]:
    """The profiles that their services name, each once."""
    services = [service for file in files for service in _services(file).values() if isinstance(service, Mapping)]
    lists = {id(names): names for service in services if isinstance(names := service.get("profiles"), list)}
    return _names(chain.from_iterable(lists.values()))  # each once, for a file may repeat one by an alias


# Private


def _is_word(text: str) -> bool:
    return text.isprintable() and not text.startswith(("-", ":"))


def _names(found: Iterable[Any]) -> list[str]:
    return list(dict.fromkeys(name for name in found if isinstance(name, str) and _OFFERED.fullmatch(name)))


def _running(invocation: Invocation) -> list[dict[str, Any]]:
    from composectl.control.client import find_daemon

    return list(find_daemon(invocation).status()["services"])


def _backends(invocation: Invocation, params: Params) -> list[dict[str, Any]]:
    services = [service for service in _running(invocation) if service["service"] == params["service"]]
    return [backend for service in services for backend in service["backends"]]


def _services(file: Path) -> Mapping[str, Any]:
    import yaml

    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # no types, hence harmless
    try:
        document = yaml.load(file.read_text(), loader) if file.stat().st_size <= _LARGEST else None
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return {}
    services = document.get("services") if isinstance(document, Mapping) else None
    return services if isinstance(services, Mapping) else {}
