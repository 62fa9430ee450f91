"""Documents from elsewhere: how deep they may be nested, and how much they may hold once each alias is written out."""

from __future__ import annotations

from itertools import chain

from composectl import errors
from composectl.sanitize import shorten

_MAX_DEPTH = 100
_MAX_CHARACTERS = 50_000_000


def check_size(what: str, document: object, characters: int = _MAX_CHARACTERS, depth: int = _MAX_DEPTH) -> None:
    """Raise ComposectlError where `document` is too deep or too large; `what`: it, in a sentence.

    Takes time in the size of the document as it is written, however often its aliases are used.
    """
    try:
        size, _ = _measure(document, depth, {})
    except RecursionError:
        raise too_deep(what, depth) from None
    if size > characters:
        raise errors.ComposectlError(
            f"{shorten(what)} is too large: more than {characters:,} characters once its aliases are replaced",
            "look for aliases (`*name`) inside of what other aliases stand for",
        )


def too_deep(what: str, depth: int = _MAX_DEPTH) -> errors.ComposectlError:
    return errors.ComposectlError(
        f"{shorten(what)} is nested too deeply: more than {depth} levels", "look for what is nested, or contains itself"
    )


# Private


def _measure(value: object, depth: int, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """The characters and the levels of `value`; `known` are those of lists and mappings by their id."""
    if not isinstance(value, list | dict):
        return (len(value) if isinstance(value, str) else 0) + 1, 0
    measured = known.get(id(value))
    if measured is None:
        if not depth:
            raise RecursionError
        parts = value if isinstance(value, list) else chain(value, value.values())
        characters, levels = 1, 0
        for part in parts:
            size, below = _measure(part, depth - 1, known)
            characters, levels = characters + size, max(levels, below)
        measured = known[id(value)] = characters, levels + 1
    if measured[1] > depth:
        raise RecursionError
    return measured
