"""The env file that Compose reads its own variables from."""

from __future__ import annotations

import re
from pathlib import Path

_LINE = re.compile(r"""\s*(?:export\s+)?(?P<name>\w+)\s*=\s*(?:'(?P<single>[^']*)'|"(?P<double>[^"]*)"|(?P<bare>.*))""")
_COMMENT = re.compile(r"(^|\s)#.*")


def read_dotenv(path: Path) -> dict[str, str]:
    """The variables in `path`, as they are written there; none where it cannot be read."""
    try:
        return parse_dotenv(path.read_text("utf-8-sig", errors="replace"))
    except OSError:
        return {}


def parse_dotenv(text: str) -> dict[str, str]:
    """The lines `NAME=value`, `NAME='value'`, `NAME="value"`; nothing is substituted in the values."""
    return {match["name"]: _value(match) for match in map(_LINE.match, text.splitlines()) if match}


# Private


def _value(match: re.Match[str]) -> str:
    if match["bare"] is None:
        return match["single"] or match["double"] or ""
    return _COMMENT.sub("", match["bare"]).strip()
