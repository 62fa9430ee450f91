"""Options that several commands have, how a shell completes them, and what all of them make together."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import reduce
from pathlib import Path
from typing import Any

import click

from composectl.compose.options import Invocation, Options

_Complete = Callable[[click.Context, click.Parameter, str], list[Any]]
_Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def invocation_of(given: dict[str, Any]) -> Invocation:
    """What the global options say, here and now."""
    options = Options(
        files=tuple(given["files"] or ()),
        project_name=given["project_name"] or "",
        project_directory=given["project_directory"] or "",
        env_files=tuple(given["env_files"] or ()),
        profiles=tuple(given["profiles"] or ()),
        others=tuple(_others(given)),
    )
    return Invocation(options, given["host"], given["context"], dict(os.environ), Path.cwd())


def completed(name: str) -> _Complete:
    """The words of that name in `config/completion.py`, which is imported for a shell alone; none where that fails."""

    def complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[Any]:
        from composectl.config import completion

        with suppress(Exception):
            words = getattr(completion, name)(invocation_of(ctx.find_root().params), ctx.params)
            return [word for word in words if word.startswith(incomplete)]
        return []

    return complete


def kind_of(kind: str) -> _Complete:
    """Files, or directories, which the shell knows better."""

    def complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        return [CompletionItem(incomplete, kind)]

    return complete


def one_of(*words: str) -> _Complete:
    """These words."""
    return lambda _, __, incomplete: [word for word in words if word.startswith(incomplete)]


PASSED_ON: dict[str, Any] = {"ignore_unknown_options": True, "help_option_names": ["--help"]}
"""Of a command whose arguments go to Compose."""
ARGUMENTS = click.argument("arguments", nargs=-1, type=click.UNPROCESSED, shell_complete=completed("services"))


_BALANCING = (
    click.option(
        "--policy",
        metavar="NAME",
        shell_complete=completed("policies"),
        help="least-request, round-robin, random, p2c or source.  [least-request]",
    ),
    click.option(
        "--health-check-path", metavar="PATH", help="A backend is well if this answers 2xx or 3xx.  [its port]"
    ),
    click.option("--no-backend-header", is_flag=True, help="Leave X-Internal-Service out of the responses."),
    click.option("--response-timeout", metavar="SECONDS", help="For a backend to begin its answer.  [none]"),
    click.option("--idle-timeout", metavar="SECONDS", help="Of silence within an answer.  [none]"),
    click.option("--slow-start", metavar="SECONDS", help="For the share of a new backend to rise.  [none]"),
    click.option(
        "--queue-timeout", metavar="SECONDS", help="For requests to wait where none is ready; 0 is off.  [30]"
    ),
    click.option("--queue-size", metavar="N", help="Requests that wait at once.  [1000]"),
    click.option("--drain-timeout", metavar="SECONDS", help="For requests in flight when backends leave.  [30]"),
    click.option("--max-connections", metavar="N", help="Clients at once.  [half the open files]"),
    click.option("--max-request-body", metavar="SIZE", help="Of a request, as in 10m.  [none]"),
    click.option(
        "--trusted-proxies",
        multiple=True,
        metavar="CIDR",
        help="Proxies whose X-Forwarded-* are kept; repeat it.",
    ),
    click.option("--allowed-host", multiple=True, metavar="HOST", help="A name to answer for; repeat it.  [all]"),
    click.option("--no-request-id", is_flag=True, help="Make no X-Request-ID where a request has none."),
)


_LOGGING = (
    click.option(
        "--access-log",
        metavar="FILE",
        shell_complete=kind_of("file"),
        help="Gets a line for each request; - is stdout.  [none]",
    ),
    click.option(
        "--access-log-format",
        metavar="NAME",
        shell_complete=one_of("combined", "json"),
        help="combined or json.  [combined]",
    ),
    click.option("--access-log-query", is_flag=True, help="With the query strings, which may hold secrets."),
    click.option("--access-log-header", multiple=True, metavar="NAME", help="With this header; repeat it."),
)


_VIEWS = (
    click.option("--metrics", metavar="[HOST:]PORT", help="Serve /metrics for Prometheus there.  [none]"),
    click.option("--dashboard", metavar="[HOST:]PORT", help="Serve a page for browsers there.  [no page]"),
    click.option("--dashboard-control", is_flag=True, help="With orders on that page, for who has its token."),
)


def balancing_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `up` and `proxy` that say how requests are balanced."""
    return _with(_BALANCING, command)


def logging_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `up` and `proxy` that say what is logged of the requests."""
    return _with(_LOGGING, command)


def view_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `up` and `proxy` that say where else it is seen."""
    return _with(_VIEWS, command)


# Private


def _with(options: Sequence[_Decorator], command: Callable[..., Any]) -> Callable[..., Any]:
    return reduce(lambda decorated, option: option(decorated), reversed(options), command)


def _others(given: dict[str, Any]) -> list[str]:
    """The options that are Compose's alone, as they were typed."""
    valued = [word for name in ("ansi", "progress", "parallel") if given[name] for word in (f"--{name}", given[name])]
    return valued + [f"--{name}" for name in ("compatibility", "verbose") if given[name]]
