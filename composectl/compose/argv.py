"""The command lines that Compose gets; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from composectl import errors
from composectl.balance.plan import MAX_REPLICAS
from composectl.balance.replica_range import Scale, most_of, read_scale
from composectl.compose.binary import Compose
from composectl.compose.options import Options

# Of all majors; an option of `up` that is not here takes no value.
_TAKE_A_VALUE = frozenset(("--pull", "--scale", "--timeout", "-t", "--wait-timeout"))

_ATTACHED = {
    *("--abort-on-container-exit", "--abort-on-container-failure", "--attach-dependencies", "--menu"),
    *("--no-log-prefix", "--timestamps", "--watch", "-w"),
}
_ATTACHED_TAKE_A_VALUE = frozenset(("--attach", "--exit-code-from", "--no-attach"))
_START_NOTHING = frozenset(("--dry-run", "--no-start"))
_OTHERS = {
    *("--always-recreate-deps", "--build", "--force-recreate", "--no-build", "--no-color", "--no-deps"),
    *("--no-recreate", "--quiet-build", "--quiet-pull", "--remove-orphans", "--renew-anon-volumes", "--wait", "--yes"),
}

# Of `up` of a stack: those that do nothing there, and what stands in for the others.
_OF_A_STACK = frozenset(("--no-build", "--no-color", "--no-deps", "--quiet-pull", "--scale", "--yes", "-y"))
_IN_A_STACK = {
    "--always-recreate-deps": "run `composectl rollout` afterwards: it makes new tasks",
    "--build": "build the images and push them to a registry, then run it again without `--build`",
    "--force-recreate": "run `composectl rollout` afterwards: it makes new tasks",
    "--pull": "use `--resolve-image always`: the nodes pull what is new",
    "--remove-orphans": "use `--prune`",
    "--timeout": "set `stop_grace_period` of the service",
    "-t": "set `stop_grace_period` of the service",
    "--wait-timeout": "use `--ready-timeout`",
}

_DIGITS = 9  # more of them are too many in any case
_SCALE = re.compile(r"(?P<service>[^=]+)=(?P<count>[0-9]+)")


@dataclass(frozen=True, slots=True)
class StackOptions:
    """The options of `docker stack deploy`; `resolve_image`: always, changed or never."""

    with_registry_auth: bool = False
    prune: bool = False
    resolve_image: str = "always"

    def argv(self, *, is_whole: bool) -> tuple[str, ...]:
        """For a file with the whole stack, or with a part of it, which prunes nothing."""
        flags = {"--with-registry-auth": self.with_registry_auth, "--prune": self.prune and is_whole}
        return (*(flag for flag, is_set in flags.items() if is_set), "--resolve-image", self.resolve_image)


@dataclass(frozen=True, slots=True)
class UpArguments:
    """What `up` was given for Compose: its options with their values, and the services that are to come up."""

    options: tuple[str, ...] = ()
    services: tuple[str, ...] = ()

    @property
    def typed_scales(self) -> list[str]:
        """The values of `--scale`."""
        words = iter(self.options)
        split = (word.partition("=") for word in words)
        return [value if equals else next(words, "") for name, equals, value in split if name == "--scale"]

    @property
    def scales(self) -> dict[str, int]:
        """How many replicas `--scale` asks for, by service; what is no number is left to Compose."""
        matches = filter(None, map(_SCALE.fullmatch, self.typed_scales))
        return {match["service"]: _count(match) for match in matches}


def check_spelling(arguments: Sequence[str], ours: Sequence[str]) -> None:
    """Raise UsageError where an option that Compose's `up` does not have is nearly one of `ours`."""
    composes = (*_TAKE_A_VALUE, *_ATTACHED, *_ATTACHED_TAKE_A_VALUE, *_START_NOTHING, *_OTHERS)
    for word in arguments:
        name = word.partition("=")[0]
        if name.startswith("--") and name not in composes:
            errors.check_spelling("option", name, ours, composes)


def split_up_arguments(arguments: Sequence[str]) -> UpArguments:
    """Tell the options of Compose's `up` and their values from the names of services."""
    words = iter(arguments)
    options: list[str] = []
    services: list[str] = []
    for word in words:
        name, equals, _ = word.partition("=")
        if word == "--":
            services += words
        elif not word.startswith("-"):
            services.append(word)
        elif equals or name not in (_TAKE_A_VALUE | _ATTACHED_TAKE_A_VALUE):
            options.append(word)
        else:
            options += (word, *islice(words, 1))
    return UpArguments(tuple(options), tuple(services))


def sort_up_arguments(arguments: Sequence[str], balanced: Mapping[str, Scale] | None = None) -> UpArguments:
    """The same for a project that is balanced.

    Raises ComposectlError for options that cannot be balanced, and for a `--scale` of a `balanced` service.
    """
    sorted_ones = split_up_arguments(arguments)
    for option in sorted_ones.options:
        _check_option(option.partition("=")[0])
    for text in sorted_ones.typed_scales:
        service, scale = parse_count(text)
        if balanced and service in balanced:
            raise errors.UsageError(
                f"`--scale {service}={scale}` cannot be combined with the balanced `{service}={balanced[service]}`",
                f"use `--balance {service}={scale}`",
            )
    return sorted_ones


def check_stack_arguments(arguments: UpArguments, *, prunes: bool = False) -> None:
    """Raise UsageError where `docker stack deploy` cannot do what Compose's `up` would."""
    for option in arguments.options:
        name = option.partition("=")[0]
        if name.startswith("-") and name not in _OF_A_STACK:
            instead = _IN_A_STACK.get(name, "omit it: `docker stack deploy` has no such option")
            raise errors.UsageError(f"`{name}` cannot be combined with `--swarm`", instead)
    if prunes and arguments.services:
        raise errors.UsageError("`--prune` cannot be combined with SERVICE", "omit one of the two")


def starts_nothing(arguments: Sequence[str]) -> bool:
    """Whether `up` would start no container."""
    return any(word.partition("=")[0] in _START_NOTHING for word in arguments)


def parse_count(text: str) -> tuple[str, int]:
    """`echo=10` as ("echo", 10); raises ComposectlError."""
    match = _SCALE.fullmatch(text)
    if not match:
        raise _invalid_scale(text, "SERVICE=N")
    service, count = match["service"], _count(match)
    check_scale(service, count)
    return service, count


def parse_scale(text: str) -> tuple[str, Scale]:
    """The same, or `echo=2..10` with a range; raises ComposectlError."""
    service, _, scale = text.partition("=")
    if ".." not in scale:
        return parse_count(text)
    try:
        found = read_scale(scale if service else "")
    except ValueError:
        raise _invalid_scale(text, "SERVICE=N or SERVICE=MIN..MAX") from None
    check_scale(service, most_of(found))
    return service, found


def parse_scales(texts: Sequence[str]) -> dict[str, Scale]:
    """Each `SERVICE=N` and `SERVICE=MIN..MAX`, by service. Raises ComposectlError."""
    scales: dict[str, Scale] = {}
    for text in texts:
        service, scale = parse_scale(text)
        if service in scales:
            raise errors.UsageError(f"duplicate service `{service}`", "use `SERVICE=N` once per service")
        scales[service] = scale
    return scales


def check_scale(service: str, count: int) -> None:
    """Raise ComposectlError where no network has room for so many."""
    if count > MAX_REPLICAS:
        raise errors.UsageError(
            f"too many replicas of service `{service}`: the maximum is {MAX_REPLICAS:,}",
            "a Linux bridge network holds 1,023 containers",
        )


def config_argv(compose: Compose, options: Options, *, in_yaml: bool = False) -> tuple[str, ...]:
    """Render the project to stdout, the services of all profiles included: without them, they would be orphans.

    docker-compose 1 prints YAML alone; v2 leaves the `x-` keys of services out of its JSON.
    """
    words = ("config",) if compose.is_v1 else ("--profile", "*", "config", *(() if in_yaml else ("--format", "json")))
    return (*compose.command, *options.argv(), *words)


def rendered_argv(compose: Compose, options: Options, name: str, directory: Path, file: str = "-") -> tuple[str, ...]:
    """Compose, for the rendered project in `file`; 1.29 takes the directory that it runs in for the project's."""
    return (
        *compose.command,
        *("--file", file, "--project-name", name, "--project-directory", str(directory)),
        *options.argv_when_rendered(),
    )


def up_words(arguments: UpArguments, scales: Mapping[str, int]) -> tuple[str, ...]:
    """Bring the project up; where services are named, those of `scales` come up with them."""
    services = dict.fromkeys((*arguments.services, *scales)) if arguments.services else ()
    scaling = [word for service, scale in scales.items() for word in ("--scale", f"{service}={scale}")]
    return ("up", "-d", *arguments.options, *scaling, *services)


def converge_words(service: str, scale: int) -> tuple[str, ...]:
    """Reach `scale` replicas of one service, and touch nothing else."""
    return up_words(UpArguments(("--no-deps", "--no-recreate"), (service,)), {service: scale})


# Private


def _invalid_scale(text: str, expected: str) -> errors.UsageError:
    named = re.match(r"[A-Za-z][\w.-]*", text)
    example = f"for example: `{named[0] if named else 'echo'}=10`"
    return errors.UsageError(f"invalid scale `{text}`: expected {expected}", example)


def _count(match: re.Match[str]) -> int:
    return int(match["count"].lstrip("0")[:_DIGITS] or "0")


def _check_option(name: str) -> None:
    if name in _ATTACHED | _ATTACHED_TAKE_A_VALUE:
        raise errors.UsageError(
            f"`{name}` cannot be combined with `--balance` or `x-balance`: composectl shows the table, not the logs",
            "`composectl logs -f` shows the logs from another terminal",
        )
    if name in _START_NOTHING:
        raise errors.UsageError(
            f"`{name}` cannot be combined with `--balance`: it starts no replicas",
            f"`composectl up {name}` without `--balance` is passed to Compose",
        )
