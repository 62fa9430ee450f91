"""`composectl completion`: the script by which a shell asks what may come next, and the answers to it."""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib.resources import files

import click
from click.shell_completion import CompletionItem, ShellComplete, add_completion_class, split_arg_string

from composectl import errors
from composectl.config.completion import one_of

_SCRIPTS = files("composectl").joinpath("shells")


@click.command()
@click.argument("shell", metavar="bash|zsh|fish", shell_complete=one_of("bash", "zsh", "fish"))
def completion(shell: str) -> int:
    """Print the script that completes commands, options, services and names.

    \b
    eval "$(composectl completion bash)"        in ~/.bashrc
    eval "$(composectl completion zsh)"         in ~/.zshrc, after compinit
    composectl completion fish | source         in ~/.config/fish/config.fish
    """
    scripts = {script.name.rpartition(".")[2]: script for script in _SCRIPTS.iterdir()}
    if shell not in scripts:
        raise errors.UsageError(f"no completion for `{shell}`", errors.did_you_mean(shell, "shells", sorted(scripts)))
    sys.stdout.write(scripts[shell].read_text())
    return 0


def register() -> None:
    """Answer the scripts of `composectl completion`, in place of those of click."""
    add_completion_class(_BashCompletion, "bash")
    for shell in ("zsh", "fish"):
        add_completion_class(_Completion, shell)


# Private


class _Completion(ShellComplete):
    """Gets the words up to the cursor as arguments; one line for each completion: it, a tab, what it means.

    `:file` and `:dir` are lines that leave it to the shell.
    """

    source_template = ""
    _before = ""

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


class _BashCompletion(_Completion):
    """Gets the line up to the cursor, for bash breaks words at `=`, and completes what is behind it."""

    def _typed(self) -> list[str]:
        line = sys.argv[1] if len(sys.argv) > 1 else ""
        return [*split_arg_string(line)[1:], *([""] if line.endswith((" ", "\t")) else [])] or [""]

    def format_completion(self, item: CompletionItem) -> str:
        return super().format_completion(item).removeprefix(self._before)
