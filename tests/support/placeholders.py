"""What stands in place of `<name>` in the files of a shape: valid YAML, which is filled in for each run."""

from __future__ import annotations

import re
from random import randrange

from tests.support.ports import free_port

_ROOM = 10  # for ranges
_PLACEHOLDER = re.compile(r"<(\w+)(?:\+(\d+))?>")


class Placeholders(dict[str, str]):
    """The values by name; each name that is not given is a free port of its own."""

    def __missing__(self, name: str) -> str:
        self[name] = str(free_port(room=_ROOM))
        return self[name]

    def fill(self, text: str) -> str:
        """The text with the values; `<name+3>` is one more three times."""
        return _PLACEHOLDER.sub(lambda found: _more(self[found[1]], found[2]), text)


def unique_prefix() -> str:
    """The first 48 bits of an IPv6 network that is free."""
    return f"fd{randrange(256):02x}:{randrange(65536):x}:{randrange(65536):x}"


def unique_block() -> str:
    """The first three numbers of an IPv4 network that is free."""
    return f"10.{randrange(100, 200)}.{randrange(256)}"


# Private


def _more(value: str, by: str | None) -> str:
    return str(int(value) + int(by)) if by else value
