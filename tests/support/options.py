"""What click and the table of options make of flags."""

from __future__ import annotations

from typing import Any

from composectl.config.settings import Settings, settings_of
from tests.support.commands import COMMANDS


def flags(command: str = "up", **typed: Any) -> Settings:
    """The settings of a command line with these flags: True for one without a value, a tuple for several values."""
    words = [word for name, value in typed.items() for word in _words("--" + name.replace("_", "-"), value)]
    also = ["echo"] if command == "rollout" else []
    return settings_of(command, COMMANDS[command].make_context(command, [*words, *also]).params)


# Private


def _words(flag: str, value: Any) -> list[str]:
    if value is True:
        return [flag]
    return [word for item in (value if isinstance(value, tuple) else (value,)) for word in (flag, item)]
