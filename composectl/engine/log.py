"""What a container wrote, made safe to show: pure."""

import re

_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b.")


def plain_lines(output: bytes) -> list[str]:
    """The lines of `output` without terminal escapes and control characters; a tab becomes a space."""
    text = _ESCAPES.sub("", output.decode(errors="replace"))
    return [_plain(line) for line in text.replace("\r", "\n").split("\n") if line]


def plain(text: str) -> str:
    """`text` on one line, in the same way: names are the engine's to choose, and go into lines of ours."""
    return "".join(plain_lines(text.encode(errors="replace")))


# Private


def _plain(line: str) -> str:
    return "".join(character for character in line.replace("\t", " ") if character.isprintable())
