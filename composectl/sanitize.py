"""Text from outside, made safe to write to a terminal."""

from __future__ import annotations

import re

_LONGEST = 10_000
# A string (OSC, DCS, ...) ends at the next escape at the latest, so that no input takes quadratic time.
_SEQUENCE = r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
_STRING = r"\x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"
_ESCAPES = re.compile(rf"{_SEQUENCE}|{_STRING}|\x1b[ -/]*[0-~]")


def sanitize(text: str) -> str:
    """`text` on one line, without escape sequences, control or invisible characters, 10,000 characters at most."""
    if len(text) <= _LONGEST and text.isprintable():
        return text
    kept = _ESCAPES.sub("", text[:_LONGEST])
    return "".join(sign if sign.isprintable() else " " * sign.isspace() for sign in kept)


def shorten(text: str, length: int = 80) -> str:
    """`text` sanitized, and cut where it is longer than `length` characters."""
    clean = sanitize(text)
    return clean if len(clean) <= length else f"{clean[:length]}..."


def sanitize_lines(text: str) -> str:
    """`text` with each of its lines sanitized."""
    return "\n".join(map(sanitize, text.split("\n")))


def output_lines(output: bytes) -> list[str]:
    """The lines of a container's output, sanitized; empty ones are left out."""
    text = output.decode(errors="replace").replace("\r", "\n")
    return [sanitize(line) for line in text.split("\n") if line]
