"""`composectl completion`: the script by which a shell asks us what may come next, on stdout."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import click
from click.shell_completion import CompletionItem, ShellComplete, add_completion_class, split_arg_string

from composectl import errors
from composectl.compose.options import Invocation
from composectl.config import completion as completing

_SCRIPTS = Path(__file__).parents[1] / "shells"


def completion(shell: str) -> int:
    """Print it. Raises `unknown_shell`."""
    scripts = {path.suffix.removeprefix("."): path for path in _SCRIPTS.iterdir()}
    if shell not in scripts:
        raise errors.unknown_shell(shell, scripts)
    sys.stdout.write(scripts[shell].read_text())
    return 0


def register() -> None:
    """Answer the scripts of `composectl completion`, in place of those of click."""
    for shell in (_Bash, _Zsh, _Fish):
        add_completion_class(shell)


def items(make: Callable[..., Invocation], ctx: click.Context, name: str, incomplete: str) -> list[CompletionItem]:
    """The words of that `name` that begin so; none where they cannot be known. `make` takes what stands before it."""
    with suppress(Exception):
        words = getattr(completing, name)(make(ctx.find_root().params), ctx.params)
        return [CompletionItem(word) for word in words if word.startswith(incomplete)]
    return []


def commands(ours: Mapping[str, str], incomplete: str) -> list[CompletionItem]:
    """Those that begin so: ours, each with what it does, and Compose's."""
    every = {**dict.fromkeys(completing.COMPOSE, "Compose's own"), **ours}
    return [CompletionItem(name, help=does) for name, does in every.items() if name.startswith(incomplete)]


# Private


class _Words(ShellComplete):
    """Gets the words up to the cursor as arguments; one line for each completion: it, a tab, what it means.

    `:file` and `:dir` are lines that leave it to the shell.
    """

    source_template = ""

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self._before = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        *words, incomplete = self._typed()
        option, is_one, _ = incomplete.partition("=")
        self._before = f"{option}=" if is_one and option.startswith("-") else ""
        return words, incomplete

    def format_completion(self, item: CompletionItem) -> str:
        if item.type != "plain":
            return f":{item.type}"
        return f"{self._before}{item.value}\t{' '.join((item.help or '').split())}"

    def complete(self) -> str:
        """Nothing at all where anything is wrong: the person types on."""
        with suppress(Exception):
            return super().complete()
        return ""

    def _typed(self) -> list[str]:
        return sys.argv[1:] or [""]


class _Zsh(_Words):
    name = "zsh"


class _Fish(_Words):
    name = "fish"


class _Bash(_Words):
    """Gets the line up to the cursor, for bash breaks words at `=`, and completes what is behind it."""

    name = "bash"

    def _typed(self) -> list[str]:
        line = sys.argv[1] if len(sys.argv) > 1 else ""
        return [*split_arg_string(line)[1:], *([""] if line.endswith((" ", "\t")) else [])] or [""]

    def format_completion(self, item: CompletionItem) -> str:
        return super().format_completion(item).removeprefix(self._before)
