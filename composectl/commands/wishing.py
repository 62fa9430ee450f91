"""What `up` is to balance: what is typed, what the compose file declares, and what was balanced before."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from composectl import errors
from composectl.commands.declaring import Declaration, parse_declaration
from composectl.commands.invocation import Invocation
from composectl.commands.kept import kept_scales
from composectl.commands.loop import run
from composectl.commands.rendering import Reading, read_with_declared
from composectl.commands.telling import say
from composectl.commands.wish import Wish, make_wish, parse_scales
from composectl.compose.argv import UpArguments, sort_up_arguments, starts_nothing
from composectl.compose.declared import KEY
from composectl.compose.options import active_profiles
from composectl.compose.project import Project


def wished(invocation: Invocation, typed: Mapping[str, Any], arguments: Sequence[str]) -> tuple[Wish, Reading] | None:
    """The wish behind the `typed` options and the compose file, and the project; None where nothing is to be balanced.

    Raises ComposectlError.
    """
    typed_scales = parse_scales(typed["balance"])
    if typed_scales:
        make_wish(typed_scales, typed, arguments)  # refused before anything is run
    elif starts_nothing(arguments):
        return None
    reading = _read(invocation, is_needed=bool(typed_scales))
    if reading is None:
        return None
    declared = {service: parse_declaration(service, told) for service, told in reading.project.declared.items()}
    scales = typed_scales | _untyped(invocation, reading, declared, typed_scales, arguments)
    return (make_wish(scales, typed, arguments, declared, tuple(typed_scales)), reading) if scales else None


def declared_scales(
    project: Project, declared: Mapping[str, Declaration], starting: Collection[str], kept: Mapping[str, int]
) -> dict[str, int]:
    """How many replicas of each declared service that is `starting`.

    That is what its `x-balance` says; else what was `kept`, else what the file says without us.
    """
    return {
        service: kept.get(service, project.own_scale(service)) if one.replicas is None else one.replicas
        for service, one in declared.items()
        if service in starting
    }


def starting_services(
    project: Project, arguments: UpArguments, also: Collection[str], profiles: Collection[str]
) -> set[str]:
    """The services that `up` brings up, given its arguments; those of `also` come with the ones that are named."""
    named = (*arguments.services, *also) if arguments.services else project.started_by(profiles)
    return set(named) if "--no-deps" in arguments.options else project.started_with(named)


# Private


def _read(invocation: Invocation, *, is_needed: bool) -> Reading | None:
    """The project; where nobody needs it and it cannot be read, Compose may tell why itself."""
    try:
        return run(read_with_declared(invocation))
    except errors.ComposectlError as error:
        if is_needed or KEY in error.message:
            raise
        return None


def _untyped(
    invocation: Invocation,
    reading: Reading,
    declared: Mapping[str, Declaration],
    typed_scales: Mapping[str, int],
    arguments: Sequence[str],
) -> dict[str, int]:
    """What nobody typed: the declared services, and, where nothing was typed at all, those of before."""
    try:
        told = sort_up_arguments(arguments, typed_scales)
    except errors.ComposectlError:
        if declared:
            raise
        return {}
    profiles = active_profiles(invocation.options, reading.means.environ, invocation.cwd)
    starting = starting_services(reading.project, told, typed_scales, profiles)
    for service in sorted(reading.lost & starting - typed_scales.keys()):
        raise errors.declaration_lost(service)
    kept = {} if typed_scales else kept_scales(invocation, reading)
    from_file = declared_scales(reading.project, declared, starting - typed_scales.keys(), kept)
    before = {service: count for service, count in kept.items() if service in (told.services or kept)}
    return from_file | _told_of({service: count for service, count in before.items() if service not in declared})


def _told_of(kept: dict[str, int]) -> dict[str, int]:
    """The same, said in a line."""
    if kept:
        scales = ", ".join(f"{service}={count}" for service, count in kept.items())
        say(f"balanced as before: {scales}; `--balance SERVICE=N` changes it")
    return kept
