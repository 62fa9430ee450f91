"""Text that others chose, made safe to write to a terminal."""

from __future__ import annotations

import re

_LONGEST = 10_000
# A string (OSC, DCS, ...) ends at the next escape at the latest, so that no input takes quadratic time.
_SEQUENCE = r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
_STRING = r"\x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"
_ESCAPES = re.compile(rf"{_SEQUENCE}|{_STRING}|\x1b[ -/]*[0-~]")
_LOG_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b.")


def harmless(text: str) -> str:
    """`text` on one line, without escape sequences, control or invisible characters, 10,000 characters at most."""
    if len(text) <= _LONGEST and text.isprintable():
        return text
    return "".join(map(_printable, _ESCAPES.sub("", text[:_LONGEST])))


def harmless_lines(text: str) -> str:
    """Each line of `text` made harmless, for what may have several."""
    return "\n".join(map(harmless, text.split("\n")))


def plain_lines(output: bytes) -> list[str]:
    """The lines of `output` without terminal escapes and control characters; a tab becomes a space."""
    text = _LOG_ESCAPES.sub("", output.decode(errors="replace"))
    return [_plain(line) for line in text.replace("\r", "\n").split("\n") if line]


def plain(text: str) -> str:
    """`text` on one line, in the same way: names are the engine's to choose, and go into lines of ours."""
    return "".join(plain_lines(text.encode(errors="replace")))


# Private


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else ""


def _plain(line: str) -> str:
    return "".join(character for character in line.replace("\t", " ") if character.isprintable())
